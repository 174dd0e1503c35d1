"""Every message as a frozen dataclass: the whole vocabulary on one screen. ``docs/PROTOCOL.md`` is normative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from protocol.mesh import Float32, Float64, Int32, MeshData
from protocol.settings import MethodSpec, SettingValue
from protocol.shape import ShapeData
from protocol.states import State

PROTOCOL = (1, 4)  # (major, minor); majors must match, the lower minor is spoken

# Marks a field that travels as a document of its own beside the header, since it may outgrow the header's limit.
ASIDE: Final[Literal["aside"]] = "aside"
# Marks a field of a later minor version that is left out while it is None, so that older peers never see it.
LATER: Final[Literal["later"]] = "later"

EASINGS = ("linear", "ease-in", "ease-out", "ease-in-out")
TOPOLOGIES = ("auto", "keep", "remesh")
MATCHINGS = ("landmarks", "spectral", "nonrigid", "implicit-dense")  # ways to find a match
CORRESPONDENCES = ("auto", "vertex-order", "table", *MATCHINGS)
SIGNS = ("auto", "signed", "unsigned")  # whether a surface parts inside from outside
NO_MATCH: Final = "none"  # the way of a match that is a guess and cannot be trusted


@dataclass(frozen=True)
class Timeline:
    """Which times of a morph are baked."""

    frames: int = 24  # number of frames, both ends included
    easing: str = "linear"  # one of EASINGS
    constant_speed: bool = False  # re-time so that the mean vertex speed is constant
    reverse: bool = False  # from the target to the source
    resolution: int = 128  # cells along the longest side, where frames have faces of their own
    largest_part: bool = False  # leave out all but the largest connected part of such frames


@dataclass(frozen=True, eq=False)
class Stop:
    """A pose that the motion passes through between source and target."""

    mesh: MeshData
    pairs: NDArray[np.int32] | None = None  # [K, 2] source and stop vertex; None: the vertex order is the source's
    weights: Float32 | None = None  # [K], > 0


@dataclass(frozen=True, eq=False)
class MorphRequest:
    """What to morph and how. ``pairs`` and ``correspondence`` say what is known of the match."""

    source: MeshData
    target: MeshData
    method: str
    etag: str  # of the MethodSpec that the settings were made for
    preset: str = "standard"
    settings: Mapping[str, SettingValue] = field(default_factory=dict)  # changes to the preset
    correspondence: str = "auto"  # one of CORRESPONDENCES
    pairs: NDArray[np.int32] | None = None  # [K, 2] source and target vertex, with correspondence = table
    weights: Float32 | None = None  # [K], > 0
    timeline: Timeline = field(default_factory=Timeline)
    carry: tuple[MeshData, ...] = ()  # objects that ride along
    seconds: float | None = None  # wall-time budget of preparation and training
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda | mps
    preview_frames: int = 0  # coarse frames in each live preview; 0: none
    topology: str = "auto"  # one of TOPOLOGIES: the source's faces, or a surface of its own in every frame
    stops: tuple[Stop, ...] = ()  # in the order of the motion
    landmarks: Annotated[NDArray[np.int32] | None, LATER] = None  # [L, 2] source and target vertex, for a match
    model: Annotated[NDArray[np.uint8] | None, LATER] = None  # bytes of a trained model, for implicit-dense


@dataclass(frozen=True, eq=False)
class MatchRequest:
    """Which point of the target belongs to each vertex of the source: the match alone, without a morph."""

    source: MeshData
    target: MeshData
    way: str = "auto"  # one of CORRESPONDENCES, but no table
    landmarks: NDArray[np.int32] | None = None  # [L, 2] source and target vertex
    device: str = "auto"  # auto | cpu | cuda | mps
    model: Annotated[NDArray[np.uint8] | None, LATER] = None  # bytes of a trained model, for implicit-dense


@dataclass(frozen=True, eq=False)
class SurfaceRequest:
    """Which shape to fit a distance field to, how, and which of its surfaces to make."""

    shape: ShapeData
    method: str
    etag: str  # of the MethodSpec that the settings were made for
    mode: str = "auto"  # one of SIGNS; auto: signed where the shape has an inside
    preset: str = "fast"
    settings: Mapping[str, SettingValue] = field(default_factory=dict)  # changes to the preset
    levels: tuple[float, ...] = (0.0,)  # distances of the surfaces from the shape, < 0 inside; one frame each
    resolution: int = 128  # cells along the longest side
    skeleton: bool = False  # one more frame, the last: lines in the middle of the shape
    seconds: float | None = None  # wall-time budget of preparation and training
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda | mps
    preview: bool = False  # of the surface as fitted so far


@dataclass(frozen=True, eq=False)
class Outline:
    """What a shape shall look like from a camera. The camera looks along its z, x to the right and y down."""

    mask: NDArray[np.uint8]  # [H, W], how much of each pixel the shape covers, 0 to 255; the first row is the top
    world_to_camera: Float64  # [4, 4], from the space of the source to that of the camera
    focal: Float64  # [2], pixels across and down
    centre: Float64  # [2], principal point, pixels from the left and the top


@dataclass(frozen=True, eq=False)
class RefineRequest:
    """Which frame of a morph is drawn towards which outlines, and which frames are baked of what becomes of it."""

    timeline: Timeline  # of the frames that are baked, in which ``frame`` counts
    frame: int  # 1 .. timeline.frames - 2: the ends stay
    outlines: tuple[Outline, ...]  # of that one frame, 1 to 32
    reach: float = 1.0  # in 0..1, how much of the way to the ends, or to the next refined frame, follows
    seconds: float | None = None  # wall-time budget of the matching
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda | mps
    preview: bool = False  # of the frame as matched so far


@dataclass(frozen=True, eq=False)
class ReconstructRequest:
    """Of which image a shape is to be made, and by which trained model."""

    image: NDArray[np.uint8]  # [H, W, 4], red, green, blue and alpha, which is the shape's outline
    model: NDArray[np.uint8] | None = None  # [B], the file of a model for single views; None: the backend's own
    resolution: int = 128  # cells along the longest side
    refine: bool = True  # fit the shape to its outline
    seconds: float | None = None  # wall-time budget of that
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda | mps
    preview: bool = False  # of the shape as refined so far


# client -> server ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello:
    """First message of every connection."""

    protocol: tuple[int, int]
    app: str  # e.g. "tweenfield-addon 0.1.0"
    session: str  # the client's own id; the same after a reconnect
    token: str  # the secret of the connection file


@dataclass(frozen=True, eq=False)
class Submit:
    """Starts a job. Repeating a job id returns the same job."""

    job: str  # made by the client: 1..64 characters of [0-9a-z-]
    request: MorphRequest


@dataclass(frozen=True)
class Bake:
    """Starts a job that bakes the morph of a finished job again, without training."""

    job: str
    base: str  # id of the finished job
    timeline: Timeline


@dataclass(frozen=True, eq=False)
class Match:
    """Starts a job that only finds the match of two meshes. It has no frames, and ends with Matched."""

    job: str
    request: MatchRequest


@dataclass(frozen=True, eq=False)
class Surface:
    """Starts a job that fits a surface to a shape. Its frames are the surfaces asked for, its morph is the field."""

    job: str
    request: SurfaceRequest


@dataclass(frozen=True, eq=False)
class Refine:
    """Starts a job that draws one frame of a finished job's morph, and its neighbours, towards outlines, and bakes."""

    job: str
    base: str  # id of the finished job, which may itself be one of Bake or Refine
    request: RefineRequest


@dataclass(frozen=True, eq=False)
class Reconstruct:
    """Starts a job that makes a shape of an image. Its only frame is the shape; it has no morph."""

    job: str
    request: ReconstructRequest


@dataclass(frozen=True)
class Cancel:
    job: str


@dataclass(frozen=True)
class Finish:
    """Ends the training now; the best so far is baked."""

    job: str


@dataclass(frozen=True)
class Resume:
    """Takes a job's stream up again after a lost connection: frames follow from ``next_seq`` on."""

    job: str
    next_seq: int


@dataclass(frozen=True)
class Credit:
    """Allows ``frames`` more frames of a job to be sent; given after the earlier ones were taken in."""

    job: str
    frames: int


@dataclass(frozen=True)
class PreviewSeen:
    """The preview was taken in; the next one may be sent."""

    job: str
    revision: int


@dataclass(frozen=True)
class Ping:
    nonce: int


@dataclass(frozen=True)
class Shutdown:
    """Ends the server; running jobs are cancelled."""


# server -> client ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Welcome:
    protocol: tuple[int, int]  # the version that will be spoken
    app: str
    session: str  # the server's id; another one after a restart
    methods: Annotated[tuple[MethodSpec, ...], ASIDE]
    devices: tuple[str, ...]
    limits: Mapping[str, int]
    surface_methods: Annotated[tuple[MethodSpec, ...] | None, ASIDE, LATER] = None  # topologies: signed, unsigned


@dataclass(frozen=True)
class Refused:
    """Answer to a Hello that is not accepted."""

    reason: str
    supported: tuple[int, int]


@dataclass(frozen=True)
class JobState:
    """The state of a job: in answer to Submit, Bake, Cancel, Finish and Resume, and whenever it changes."""

    job: str
    state: State
    total_frames: int


@dataclass(frozen=True)
class Progress:
    """Latest wins; never queued behind frames."""

    job: str
    phase: str
    step: int
    total: int
    loss: float | None
    elapsed: float  # seconds since the job started
    seconds_left: float | None


@dataclass(frozen=True, eq=False)
class Preview:
    """Coarse frames of the morph as trained so far; each revision replaces the one before."""

    job: str
    revision: int
    times: Float64  # [P]
    vertices: Float32  # [P, V, 3], in the source's origin and scale; V is 0 where ``meshes`` are given
    meshes: tuple[MeshData, ...] = ()  # [P], where the topology is not the source's


@dataclass(frozen=True, eq=False)
class Frame:
    """One baked frame. Faces only where the topology is not the source's; those of a skeleton are lines."""

    job: str
    seq: int  # 0 .. total - 1, no gaps
    total: int
    time: float  # in 0..1
    vertices: Float32  # [V, 3]
    origin: Float64  # [3]
    scale: float
    face_offsets: Int32 | None = None  # [F + 1]
    face_indices: Int32 | None = None  # [C]
    carried: tuple[Float32, ...] = ()  # one [N, 3] per carried object, in that object's origin and scale
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)  # [V, ...] or [C, ...], with faces


@dataclass(frozen=True, eq=False)
class Finished:
    """Follows the last frame: the report, and the trained morph or field as the bytes of a safetensors file."""

    job: str
    report: Annotated[Mapping[str, Any], ASIDE]  # plain types only
    morph: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Matched:
    """The end of a match: for every vertex of the source its place on the target. Vertices are those of the meshes."""

    job: str
    vertices: Int32  # [V], the nearest vertex of the target; -1: no counterpart
    points: Float32  # [V, 3] on the target's surface, in the target's origin and scale; 0 without a counterpart
    confidence: Float32  # [V] in 0..1; 0 without a counterpart
    way: str  # how it was found, or NO_MATCH
    said: tuple[str, ...]  # for the artist: what was chosen, how sure it is, what would help


@dataclass(frozen=True)
class Error:
    """An error as data; ``job`` is empty when it belongs to no job."""

    code: str
    message: str  # for the artist: what was wrong, where, what to do
    detail: str = ""  # for the log
    retryable: bool = False
    job: str = ""

    def __post_init__(self) -> None:
        # An error must always fit on the wire; of a long traceback the end says most.
        object.__setattr__(self, "message", self.message[:2000])
        object.__setattr__(self, "detail", self.detail[-3500:])


@dataclass(frozen=True)
class Gone:
    """The server does not know this job (it was restarted, or the job was deleted)."""

    job: str


@dataclass(frozen=True)
class Pong:
    nonce: int
    session: str  # the server's id


CLIENT_MESSAGES = (
    *(Hello, Submit, Bake, Match, Surface, Refine, Reconstruct),
    *(Cancel, Finish, Resume, Credit, PreviewSeen, Ping, Shutdown),
)
SERVER_MESSAGES = (Welcome, Refused, JobState, Progress, Preview, Frame, Finished, Matched, Error, Gone, Pong)

First = Submit | Bake | Match | Surface | Refine | Reconstruct  # what starts a job
ClientMessage = Hello | First | Cancel | Finish | Resume | Credit | PreviewSeen | Ping | Shutdown
ServerMessage = Welcome | Refused | JobState | Progress | Preview | Frame | Finished | Matched | Error | Gone | Pong
Message = ClientMessage | ServerMessage
