"""A network that reads a clip's moments together: lengths, padding, order, windows, and training on drawn clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import drawn_clips
import mien
from mien.datasets import Dataset
from mien.errors import RecipeError
from mien.labels import SPACES
from mien.modalities.video.frames import ClipFrames
from mien.modalities.video.preprocess import VideoSettings
from mien.modalities.video.sampler import _sequences
from mien.modalities.video.sequences import padded, windows
from mien.model import FRAMES, verify
from mien.networks.temporal import Network, Settings
from mien.training.recipe import load_recipe
from mien.training.sampler import open_sampler


def network(**settings) -> Network:
    torch.manual_seed(0)
    return Network(Settings(hidden=6, **settings), labels=3, width=4).eval()


def sequences(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.random((length, 4)).astype(np.float32) for length in lengths]


def test_padded():
    batch = padded([np.ones((2, 3), np.float32), np.full((1, 3), 5, np.float32)])
    np.testing.assert_array_equal(batch, [[[1, 1, 1, 1], [1, 1, 1, 1]], [[5, 5, 5, 1], [0, 0, 0, 0]]])


@pytest.mark.parametrize("gru", [True, False])
def test_padding_changes_nothing(gru):
    net, (short, long) = network(gru=gru), sequences(3, 7)
    alone = net(torch.from_numpy(padded([short])))
    together = net(torch.from_numpy(padded([short, long])))[:1]
    torch.testing.assert_close(alone, together)


def test_it_is_torchs_bidirectional_gru_with_attention():
    """Held against packed sequences: the GRUs see each sequence in its own length, from both ends."""
    net, given = network(), sequences(5, 2, 4)
    batch = torch.from_numpy(padded(given))
    gru = nn.GRU(6, 6, batch_first=True, bidirectional=True)
    for own, suffix in ((net.forwards, ""), (net.backwards, "_reverse")):
        for name, value in own.named_parameters():
            getattr(gru, name + suffix).data = value.data
    with torch.no_grad():
        packed = pack_padded_sequence(net.dense(batch[:, :, :-1]), [5, 2, 4], batch_first=True, enforce_sorted=False)
        states, lengths = pad_packed_sequence(gru(packed)[0], batch_first=True)
        wanted = []
        for row, length in zip(states, lengths.tolist(), strict=True):
            weights = net.telling(row[:length])[:, 0].softmax(0)
            wanted.append((row[:length] * weights[:, None]).sum(0))
        torch.testing.assert_close(net.features(batch), torch.stack(wanted))
        torch.testing.assert_close(net(batch), net.head(torch.stack(wanted)))


def test_only_the_gru_knows_the_order():
    (given,) = sequences(6)
    one, two = (torch.from_numpy(padded([part])) for part in (given, np.ascontiguousarray(given[::-1])))
    plain, ordered = network(gru=False), network()
    torch.testing.assert_close(plain(one), plain(two))
    assert not torch.allclose(ordered(one), ordered(two), atol=1e-4)


def test_frames_left_out_in_training_leave_one_at_least():
    net = network(frame_dropout=0.95, dropout=0).train()
    batch = torch.from_numpy(padded(sequences(1, 9)))
    found = torch.stack([net(batch) for _ in range(20)])
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[0, 0], found[7, 0])  # the only frame of a clip is never left out
    assert found[:, 1].std(0).max() > 1e-3


def test_windows_by_hand():
    times = np.array([0.0, 1, 2, 3, 4, 5, 6])
    found = windows(times, np.array([0.0, 3, 6]), 2)
    assert found.tolist() == [[0, 3], [2, 5], [4, 7]]  # moved inwards at either end
    assert windows(times, times, 60).tolist() == [[0, 7]] * 7
    assert windows(np.array([5.0]), np.array([5.0]), 1).tolist() == [[0, 1]]


def test_the_person_seen_most_often_in_stretches():
    """The second person is there at 0, 1, 2, 3, 4 and, after a long time away, at 30 seconds."""
    clips = [
        ClipFrames(("none", 0, 0), 0, [], []),
        ClipFrames(("two", 1, 1), 10, [0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 30.0], [1, 2, 1, 2, 2, 2, 2, 2]),
    ]
    part = Dataset("d", "video", SPACES["fer7"], ["none", "two"], np.array([1, 2]), np.array(["val"] * 2, object))
    found = _sequences(part, clips, None, VideoSettings(window=4))
    # From 0 to 4 seconds and from 4 to 8 (both ends belong to them), nothing for a while, and the last four seconds.
    assert [places.tolist() for places in found.inputs.places] == [[11, 13, 14, 15, 16], [16], [17]]
    assert found.columns["clip"].tolist() == [1, 1, 1]
    assert found.targets.tolist() == [2, 2, 2]
    np.testing.assert_array_equal(found.inputs.lengths, [5, 1, 1])


def test_faces_are_cut_as_the_network_of_frames_wants_them():
    sampler = open_sampler(load_recipe("video-temporal"))
    (manifest,), settings = sampler.built_on, sampler.settings
    assert manifest.name == "face"
    assert settings.face.model_dump(mode="json") == manifest.preprocess
    assert settings.aggregate == "learned"
    with pytest.raises(RecipeError, match=r"preprocess\.face: the model face, which reads the frames"):
        open_sampler(load_recipe("video-temporal", ["preprocess.face.size=48"]))
    with pytest.raises(RecipeError, match="not one network that reads faces"):
        open_sampler(load_recipe("video-temporal", ["network.faces=text"]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("temporal")
    data = f"ravdess:{drawn_clips.ravdess(folder / 'clips', (1, 4, 3, 2), count=5)}"
    patch = pytest.MonkeyPatch()
    patch.setenv("MIEN_CACHE", str(folder / "cache"))
    options = ["epochs=12", "hidden=16", "train.batch_size=4", "learning_rate=0.005", "patience=12"]
    done = mien.train("video-temporal", data, folder / "run", settings=options, report=False)
    patch.undo()
    return data, done


@pytest.mark.slow
def test_it_learns_from_what_the_face_model_sees(run):
    data, done = run
    assert set(verify(done.model).files) >= {"model.onnx", FRAMES}
    shipped = mien.load("face").folder / "model.onnx"
    assert (done.model / FRAMES).read_bytes() == shipped.read_bytes()  # the folder is whole without the shipped model
    manifest = verify(done.model)
    names = [entry["spec"] for entry in mien.load("face").manifest.data]
    assert [entry["spec"] for entry in manifest.data][1:] == names
    assert "made by the network of `face`" in (done.model / "README.md").read_text()
    report = mien.evaluate(done.model, data)
    assert report.figures["n"] == 8
    assert report.accuracy >= 0.75  # an actor it never saw; chance is 0.25


@pytest.mark.slow
def test_short_clips_are_read_as_one(run):
    """All moments of a clip that fits into one window have the answer of the network about the whole of it."""
    data, done = run
    clip = next(Path(data.partition(":")[2]).rglob("*-02.mp4"))
    result = mien.load(done.model).predict(str(clip))
    scores = np.array([list(moment.prediction.scores.values()) for moment in result.timeline])
    np.testing.assert_allclose(scores, np.repeat(scores[:1], len(scores), 0), atol=1e-6)
    assert result.label == result.timeline[0].prediction.label
    model = mien.load(done.model)
    model.settings = model.settings.model_copy(update={"window": 0.5})
    short = model.predict(str(clip))
    parts = np.array([list(moment.prediction.scores.values()) for moment in short.timeline])
    assert np.ptp(np.log(parts + 1e-12), axis=0).max() > 1e-3  # windows of three frames differ
