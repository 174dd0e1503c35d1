"""``Picker``: what clicks on the two meshes do to the landmarks; it knows rays, but no windows and no mouse."""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy

from ..handle import Handle, handle
from ..properties import settings_of
from ..protocol.checks import MAX_LANDMARKS
from .skin import Ray, Skin, skin_of, under
from .store import (
    Objects,
    Place,
    Saved,
    add,
    drop_half_made,
    end_on,
    indices,
    is_whole,
    landmarks_of,
    remove,
    restore,
    save,
    set_end,
)

Rays = tuple[Ray, ...]  # through the mouse, then beside it: the first that meets a mesh counts
Grip = tuple[int, bpy.types.Object]  # a landmark, by its index among the scene's, and the object that its end is on


def pair_of(context: bpy.types.Context) -> Objects | None:
    """The source and the target, if both are chosen."""
    assert context.scene is not None
    settings = settings_of(context.scene)
    source, target = settings.source, settings.target
    return (source, target) if source is not None and target is not None and source != target else None


@dataclass
class Picker:
    """One session of picking, with steps back of its own: Blender's undo gets one step when it ends."""

    told: str = ""  # about the last click
    _history: list[Saved] = field(default_factory=list)
    _grabbed: tuple[int, Handle] | None = None  # a landmark, and the object that its end is on
    _moved: bool = False
    _skins: dict[Handle, Skin] = field(default_factory=dict)  # while a button is down

    def expected(self, context: bpy.types.Context) -> bpy.types.Object | None:
        """The object that the next click should be on."""
        pair = pair_of(context)
        if pair is None:
            return None
        begun = self._begun(context, pair)
        if begun is None:
            return pair[0]
        assert context.scene is not None
        return pair[1] if end_on(landmarks_of(context.scene).pairs[begun], pair[0]) else pair[0]

    def press(self, context: bpy.types.Context, rays: Rays, near: Grip | None) -> None:
        """Grabs the marker that the mouse is near to; otherwise picks the vertex under it."""
        assert context.scene is not None
        self.told = ""
        self._skins.clear()
        if near is not None:
            self._grabbed = near[0], handle(near[1])
            self._moved = False
            landmarks_of(context.scene).active = near[0]
            return
        found = self._vertex_under(context, rays)
        if found is None:
            self.told = "Neither of the two meshes is here"
        else:
            self._pick(context, *found)

    def drag(self, context: bpy.types.Context, rays: Rays) -> None:
        """Takes the grabbed marker along over its mesh."""
        assert context.scene is not None
        if self._grabbed is None:
            return
        index, here = self._grabbed
        ob = here.find_object()
        place = self._place(context, ob, rays) if ob is not None else None
        if ob is None or place is None or not self._free(context, ob, place, index):
            return
        if not self._moved:
            self._history.append(save(context.scene))
            self._moved = True
        set_end(landmarks_of(context.scene).pairs[index], ob, place)

    def release(self) -> None:
        self._grabbed = None
        self._skins.clear()

    def delete(self, context: bpy.types.Context, near: Grip | None) -> None:
        """Removes the landmark that the mouse is near to, or else the active one."""
        assert context.scene is not None
        pair = pair_of(context)
        known = indices(context.scene, pair) if pair is not None else []
        index = near[0] if near is not None else landmarks_of(context.scene).active
        if index not in known:
            self.told = "There is no landmark to delete"
            return
        self._history.append(save(context.scene))
        self.told = f"Deleted {landmarks_of(context.scene).pairs[index].name}"
        self.release()
        remove(context.scene, index)

    def undo(self, context: bpy.types.Context) -> None:
        """Takes the last change back."""
        assert context.scene is not None
        self.release()
        if not self._history:
            self.told = "Nothing was picked since picking began"
            return
        restore(context.scene, self._history.pop())
        self.told = "Taken back"

    def end(self, context: bpy.types.Context) -> bool:
        """Leaves no landmark half made. Whether anything was changed."""
        assert context.scene is not None
        drop_half_made(context.scene)
        self.release()
        return bool(self._history)

    def _begun(self, context: bpy.types.Context, pair: Objects) -> int | None:
        """The landmark that has one end only."""
        assert context.scene is not None
        pairs = landmarks_of(context.scene).pairs
        return next((index for index in indices(context.scene, pair) if not is_whole(pairs[index], pair)), None)

    def _pick(self, context: bpy.types.Context, ob: bpy.types.Object, place: Place) -> None:
        scene, pair = context.scene, pair_of(context)
        assert scene is not None
        assert pair is not None
        begun = self._begun(context, pair)
        if not self._free(context, ob, place, begun):
            self.told = "Another landmark has this vertex already"
            return
        if begun is None and len(indices(scene, pair)) >= MAX_LANDMARKS:
            self.told = f"There are {MAX_LANDMARKS} landmarks, and no more are taken"
            return
        self._history.append(save(scene))
        landmark = add(scene, pair) if begun is None else landmarks_of(scene).pairs[begun]
        set_end(landmark, ob, place)

    def _free(self, context: bpy.types.Context, ob: bpy.types.Object, place: Place, but: int | None) -> bool:
        """Whether no landmark but one has an end at this vertex."""
        scene, pair = context.scene, pair_of(context)
        assert scene is not None
        skin = self._skin(context, ob)
        pairs = landmarks_of(scene).pairs
        others = [end_on(pairs[index], ob) for index in indices(scene, pair) if index != but] if pair else []
        return all(end is None or skin.now(end) != place.vertex for end in others)

    def _vertex_under(self, context: bpy.types.Context, rays: Rays) -> tuple[bpy.types.Object, Place] | None:
        """The vertex under a ray: on the object whose turn it is, as both may be in one place, or else on the other."""
        pair, turn = pair_of(context), self.expected(context)
        shown = [ob for ob in sorted(pair or (), key=lambda ob: ob != turn) if ob.visible_get()]
        for ray in rays:
            for ob in shown:
                place = self._place(context, ob, (ray,))
                if place is not None:
                    return ob, place
        return None

    def _place(self, context: bpy.types.Context, ob: bpy.types.Object, rays: Rays) -> Place | None:
        hit = next((hit for ray in rays if (hit := under(context, ob, ray)) is not None), None)
        if hit is None:
            return None
        skin = self._skin(context, ob)
        return skin.place(skin.on_face(ob.matrix_world.inverted_safe() @ hit[0], hit[1]))

    def _skin(self, context: bpy.types.Context, ob: bpy.types.Object) -> Skin:
        here = handle(ob)
        if here not in self._skins:
            self._skins[here] = skin_of(context, ob)
        return self._skins[here]
