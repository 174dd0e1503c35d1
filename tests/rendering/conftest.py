"""Settings of the tests of cameras and silhouettes."""

from tests.one_thread import one_thread as one_thread
