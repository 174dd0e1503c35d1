"""``python -m backend``: the same as the console script ``tweenfield``."""

from backend.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
