"""What is heard with a film: cut, looped, faded, ducked, at its instant; sample by sample."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import GrayRoll
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timelapse.cli import main
from timelapse.deliver import Sound, Volume
from timelapse.deliver import sound as module
from timelapse.deliver.sound import HERTZ, Mix
from timelapse.deliver.tracks import sound_packets
from timelapse.errors import EncodeError, ProjectError
from timelapse.project import load
from timelapse.times import MissionTime, Seconds, VideoTime

Wave = NDArray[np.float64]


def tone(seconds: float, hertz: float = 440, level: float = 0.5) -> Wave:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * HERTZ)) / HERTZ)


def write(path: Path, *channels: Wave, hertz: int = HERTZ) -> Path:
    """Writes a WAV file of 16 bits; two equal channels where one is given."""
    samples = np.stack(channels * 2 if len(channels) == 1 else channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], 2, hertz, 0, "NONE", ""))
        file.writeframes(np.rint(samples * 32768).clip(-32768, 32767).astype("<i2").tobytes())
    return path


def heard(sound: Sound, seconds: float | Fraction) -> NDArray[np.float32]:
    """The left channel of all that is heard."""
    with Mix(sound, Fraction(seconds)) as mix:
        return np.concatenate(list(mix.chunks()))[:, 0]


def at(seconds: float) -> VideoTime:
    return VideoTime(Fraction(seconds))


def level(samples: NDArray[np.float32] | Wave, hertz: float = 440) -> float:
    """The amplitude of one pitch; whole turns of it have to be given."""
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / HERTZ)
    return float(2 * abs(np.mean(samples * turns)))


def decibels(value: float, of: float) -> float:
    return float(20 * np.log10(value / of))


# ------------------------------------------------------------------ one file


def test_a_sound_is_cut_to_the_film_or_followed_by_silence(tmp_path: Path) -> None:
    left, right = tone(2.5), tone(2.5, 300, 0.25)
    sound = Sound.of(write(tmp_path / "x.wav", left, right))
    for frames in (1, 30, 50, 60):
        length = Fraction(frames * 1001, 24000)
        with Mix(sound, length) as mix:
            chunks = list(mix.chunks())
        assert max(map(len, chunks)) <= HERTZ
        found = np.concatenate(chunks)
        assert len(found) == round(length * HERTZ)
        meant = np.zeros((len(found), 2))
        count = min(len(left), len(found))
        meant[:count] = np.stack([left, right], axis=1)[:count]
        assert np.abs(found - meant).max() <= 1 / 32768


def test_one_channel_is_heard_on_both_at_its_level(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        wanted = 0.5 * np.sin(2 * np.pi * 441 * np.arange(22050) / 22050)
        file.writeframes(np.rint(wanted * 32768).astype("<i2").tobytes())
    with Mix(Sound.of(path), Fraction(1)) as mix:
        found = np.concatenate(list(mix.chunks()))
    assert (found[:, 0] == found[:, 1]).all()
    spectrum = np.abs(np.fft.rfft(found[:, 0])) * 2 / HERTZ
    assert spectrum.argmax() == 441
    assert spectrum[441] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("count", [59_259, 4_801, 48_000, 96_000])
def test_a_loop_has_no_seam(tmp_path: Path, count: int) -> None:
    file = np.random.default_rng(1).uniform(-0.5, 0.5, count)
    sound = Sound.of(write(tmp_path / "x.wav", file), loop=True)
    found = heard(sound, 5)
    assert np.abs(found - np.resize(file, 5 * HERTZ)).max() <= 1 / 32768
    later = Sound.of(sound.path, loop=True, start=Seconds(1, 25), at=at(0.5))
    found = heard(later, 5)
    assert not found[: HERTZ // 2].any()
    meant = np.resize(file[HERTZ // 25 :], 9 * HERTZ // 2)
    assert np.abs(found[HERTZ // 2 :] - meant).max() <= 1 / 32768


def test_a_loop_is_cut_where_it_is_longer_than_the_film(tmp_path: Path) -> None:
    file = tone(3)
    found = heard(Sound.of(write(tmp_path / "x.wav", file), loop=True), 2)
    assert np.abs(found - file[: 2 * HERTZ]).max() <= 1 / 32768


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("length", [2, 6])
def test_fades_are_even_at_both_ends(tmp_path: Path, loop: bool, length: int) -> None:
    steady = np.full(4 * HERTZ, 0.5)
    how = {"loop": loop, "fade_in": Seconds(1), "fade_out": Seconds(1, 2)}
    found = heard(Sound.of(write(tmp_path / "x.wav", steady), **how), length)
    ends = length if loop else min(length, 4)
    t = (np.arange(length * HERTZ) + 0.5) / HERTZ
    meant = 0.5 * np.clip(np.minimum(t / 1, (ends - t) / 0.5), 0, 1)
    assert np.abs(found - meant).max() < 1e-4


@pytest.mark.parametrize(
    ("volume", "factor"),
    [("-6 dB", 0.501187), ("50 %", 0.5), ("1.2", 1.2), ("0", 0), ("3dB", 1.412538)],
)
def test_volumes(tmp_path: Path, volume: str, factor: float) -> None:
    assert Volume.read(volume).factor == pytest.approx(factor, rel=1e-5)
    sound = Sound.of(write(tmp_path / "x.wav", tone(1)), volume=Volume.read(volume))
    assert level(heard(sound, 1)) == pytest.approx(0.5 * factor, abs=1e-4)


@pytest.mark.parametrize(
    "text", ["-12", "loud", "21 dB", "1100 %", "", "nan", "1e3", "9" * 50 + " dB"]
)
def test_a_volume_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="dB"):
        Volume.read(text)


def test_nothing_is_louder_than_the_loudest(tmp_path: Path) -> None:
    sound = Sound.of(write(tmp_path / "x.wav", tone(1)), volume=Volume("20 dB"))
    found = heard(sound, 1)
    assert (found.min(), found.max()) == (-1, 1)


def test_no_more_is_decoded_than_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    blocks = module._blocks

    def counted(path: Path) -> Generator[NDArray[np.float32]]:
        for block in blocks(path):
            decoded.append(len(block))
            yield block

    monkeypatch.setattr(module, "_blocks", counted)
    path = write(tmp_path / "long.wav", tone(60))
    for how, times in (({}, 1), ({"loop": True}, 2), ({"start": Seconds(3), "loop": True}, 2)):
        decoded.clear()
        heard(Sound.of(path, **how), 2)
        needed = times * (2 + how.get("start", 0)) * HERTZ
        assert needed - 2 * HERTZ <= sum(decoded) <= needed + 2 * times * 8192


@given(st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sound_is_the_same_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """What moviepy asks for when a clip is composed, cut and played at other rates."""
    path = tmp_path_factory.getbasetemp() / "any-order.wav"
    if not path.exists():
        write(path, np.random.default_rng(2).uniform(-0.5, 0.5, 30_000))
    sound = Sound.of(path, loop=data.draw(st.booleans()), start=Seconds(1, 10))
    whole = heard(sound, 2)
    with Mix(sound, Fraction(2)) as mix:
        for _ in range(data.draw(st.integers(1, 5))):
            first = data.draw(st.integers(0, 2 * HERTZ - 1))
            numbers = np.arange(first, min(first + data.draw(st.integers(1, 20_000)), 2 * HERTZ))
            found = mix.clip.get_frame((numbers + 0.5) / HERTZ)
            assert (found[:, 0].astype(np.float32) == whole[numbers]).all()
            one = data.draw(st.integers(0, 2 * HERTZ - 1))
            assert np.float32(mix.clip.get_frame((one + 0.5) / HERTZ)[0]) == whole[one]


def test_what_fills_the_last_frame_of_aac_is_no_part_of_a_loop(tmp_path: Path) -> None:
    count, path = 59_280, tmp_path / "x.m4a"  # MP4 tells lengths in milliseconds
    sound = Sound.of(write(tmp_path / "x.wav", tone(2)))
    with av.open(str(path), "w", format="ipod") as file:
        for packet in sound_packets(file, sound, Fraction(count, HERTZ)):
            file.mux_one(packet)
    found = heard(Sound.of(path, loop=True), 3)
    for seam in (count, 2 * count):
        assert np.abs(found[seam - 9 : seam - 2]).max() > 0.1  # nothing silent before it
        assert np.abs(found[seam : seam + 500] - found[:500]).max() < 1e-6


# ------------------------------------------------------------------ voices


def test_a_bed_falls_under_a_voice_and_rises_again(tmp_path: Path) -> None:
    bed = write(tmp_path / "bed.wav", np.full(8 * HERTZ, 0.5))
    silent = write(tmp_path / "voice.wav", np.zeros(2 * HERTZ))
    voice = Sound.of(silent, at=at(3))
    how = {
        "voices": (voice,),
        "duck": Volume("-12 dB"),
        "attack": Seconds(1, 2),
        "release": Seconds(1),
    }
    found = heard(Sound.of(bed, **how), 8)
    t = (np.arange(8 * HERTZ) + 0.5) / HERTZ
    depth = -12 * np.interp(t, [2.5, 3, 5, 6], [0, 1, 1, 0])
    assert np.abs(20 * np.log10(found / 0.5) - depth).max() < 0.01


def test_a_bed_that_begins_later_falls_at_the_same_instants(tmp_path: Path) -> None:
    bed = write(tmp_path / "bed.wav", np.full(8 * HERTZ, 0.5))
    voice = Sound.of(write(tmp_path / "voice.wav", np.zeros(HERTZ)), at=at(3))
    found = heard(Sound.of(bed, at=at(2.5), voices=(voice,)), 6)
    ducked = np.flatnonzero(np.abs(found - 0.5 * 10 ** (-12 / 20)) < 1e-3) / HERTZ
    assert (ducked[0], ducked[-1]) == (pytest.approx(3, abs=0.01), pytest.approx(4, abs=0.01))


def test_voices_that_meet_duck_once_and_add_up(tmp_path: Path) -> None:
    bed = write(tmp_path / "bed.wav", tone(6, 440, 0.4))
    one = write(tmp_path / "one.wav", tone(2, 1000, 0.2))
    two = write(tmp_path / "two.wav", tone(2, 1500, 0.2))
    voices = (Sound.of(one, at=at(1)), Sound.of(two, at=at(2), volume=Volume("50 %")))
    found = heard(Sound.of(bed, voices=voices), 6)
    for second, levels in {
        0: (0.4, 0, 0), 1: (0.4 * 10 ** (-12 / 20), 0.2, 0), 2: (0.4 * 10 ** (-12 / 20), 0.2, 0.1),
        3: (0.4 * 10 ** (-12 / 20), 0, 0.1), 5: (0.4, 0, 0),
    }.items():  # fmt: skip
        part = found[second * HERTZ :][: HERTZ // 2]
        for hertz, meant in zip((440, 1000, 1500), levels, strict=True):
            assert level(part, hertz) == pytest.approx(meant, abs=2e-3)


def test_a_voice_is_cut_at_both_ends_of_the_film(tmp_path: Path) -> None:
    bed = write(tmp_path / "bed.wav", np.zeros(3 * HERTZ))
    counting = np.arange(2 * HERTZ) / (4 * HERTZ)
    file = write(tmp_path / "voice.wav", counting)
    voices = (Sound.of(file, at=at(-1)), Sound.of(file, at=at(2)), Sound.of(file, at=at(9)))
    sound = Sound.of(bed, voices=voices)
    found = heard(sound, 3)
    meant = np.concatenate([counting[HERTZ:], np.zeros(HERTZ), counting[:HERTZ]])
    assert np.abs(found - meant).max() <= 1 / 32768
    assert list(sound.notes(Fraction(3))) == [
        "voice voice.wav begins before the film, by 1.00 s",
        "voice voice.wav is cut by the film's end, by 1.00 s",
        "voice voice.wav is not heard: it begins at 9.00 s of the film",
    ]


def test_a_bed_that_ends_early_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "x.wav", tone(3))
    assert list(Sound.of(file).notes(Fraction(3))) == []
    assert "sound x.wav ends at 2.00 s of a film of 5.00 s" in next(
        Sound.of(file, start=Seconds(1)).notes(Fraction(5))
    )
    assert list(Sound.of(file, loop=True).notes(Fraction(5))) == []


def test_a_bed_may_be_silenced(tmp_path: Path) -> None:
    bed = write(tmp_path / "bed.wav", tone(3))
    voice = Sound.of(write(tmp_path / "voice.wav", np.zeros(HERTZ)), at=at(1))
    how = {"voices": (voice,), "duck": Volume("0"), "attack": Seconds(0), "release": Seconds(0)}
    found = heard(Sound.of(bed, **how), 3)
    assert np.abs(found[HERTZ : 2 * HERTZ]).max() < 1e-4
    assert level(found[:HERTZ]) == pytest.approx(0.5, abs=1e-3)
    assert level(found[2 * HERTZ :]) == pytest.approx(0.5, abs=1e-3)


# ------------------------------------------------------------------ in the film


def decoded(path: Path) -> NDArray[np.float32]:
    """The left channel as the ffmpeg binary decodes it."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-f", "f32le", "-ac", "2", "-ar", str(HERTZ), "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    return np.frombuffer(done.stdout, "<f4").reshape(-1, 2)[:, 0]


@pytest.mark.parametrize(
    ("ending", "container"), [("mp4", "mp4"), ("mov", "mov"), ("webm", "webm")]
)
@pytest.mark.parametrize("frames", [1, 25, 50])
def test_a_track_is_as_long_as_the_film(
    tmp_path: Path, ending: str, container: str, frames: int
) -> None:
    length = Fraction(frames * 1001, 24000)
    sound = Sound.of(write(tmp_path / "x.wav", tone(3)))
    path = tmp_path / f"x.{ending}"
    with av.open(str(path), "w", format=container) as film:
        for packet in sound_packets(film, sound, length):
            film.mux_one(packet)
    samples = decoded(path)
    assert abs(len(samples) - length * HERTZ) <= 1024  # a frame of AAC
    with av.open(str(path)) as film:
        found = list(film.decode(audio=0))
    assert found[0].pts == 0
    assert 0 <= sum(frame.samples for frame in found) - round(length * HERTZ) < 1024
    if frames == 50:  # no priming is heard: the tone stands where it stood
        meant = tone(3)[: len(samples)]
        shifts = [
            np.dot(samples[20_000:40_000], meant[20_000 + n : 40_000 + n]) for n in range(-50, 51)
        ]
        assert int(np.argmax(shifts)) == 50


def project(tmp_path: Path, roll: GrayRoll, schedule: str, sound: str) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(
        f"roll: {{stills: {roll.folder}}}\n"
        "mission: {epoch: 2018-11-16T18:14:08Z}\n"
        f"schedule: {schedule}\n"
        "output: {size: 64x48, preset: ultrafast}\n"
        f"{sound}"
    )
    return path


def test_bed_and_voice_are_heard_in_the_film_where_they_were_planned(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    roll = gray_roll([2 * n for n in range(40)])
    write(tmp_path / "bed.wav", tone(1.5))
    write(tmp_path / "voice.wav", tone(2, 2000, 0.3))
    ramp = "{speeds: [{at: T+0 s, speed: 4x}, {at: T+40 s, speed: 16x, ease: smooth}]}"
    words = (
        "sound:\n  file: bed.wav\n  loop: true\n  fade_out: 1 s\n  duck: -12 dB\n"
        "  attack: 0.1 s\n  release: 0.1 s\n"
        "  voice: [{file: voice.wav, at: T+17.3 s, volume: -6 dB}]\n"
    )
    job = load(project(tmp_path, roll, ramp, words)).job()
    film = tmp_path / "film.mp4"
    report = job.render(film)
    assert report["film"]["tracks"] == ["audio"]
    samples = decoded(film)
    length = job.plan.frames / Fraction(25)
    assert abs(len(samples) - length * HERTZ) <= 1024
    starts = float(job.plan.timeline.video_of(MissionTime(Fraction(173, 10))).seconds)
    assert 2 < starts < 3  # in the ramp, where a constant speed would be wrong by much
    # When the voice is heard: by its pitch, in windows of a hundredth of a second.
    windows = [level(samples[n : n + 480], 2000) for n in range(0, len(samples) - 480, 48)]
    full = 0.3 * 10 ** (-6 / 20)
    loud = np.flatnonzero(np.array(windows) > full / 2) * 48 + 240
    assert loud[0] / HERTZ == pytest.approx(starts, abs=0.005)
    assert loud[-1] / HERTZ == pytest.approx(starts + 2, abs=0.005)

    def around(second: float, hertz: float) -> float:
        first = round(second * HERTZ)
        return level(samples[first : first + HERTZ // 2], hertz)

    assert abs(decibels(around(starts + 0.8, 2000), full)) < 0.5
    assert abs(decibels(around(starts + 0.8, 440), 0.5) + 12) < 0.5
    assert abs(decibels(around(1, 440), 0.5)) < 0.5
    assert abs(decibels(around(starts + 2.3, 440), 0.5)) < 0.5
    last = samples[round((float(length) - 0.25) * HERTZ) :]
    assert level(last[:4800]) == pytest.approx(0.5 * (0.25 - 0.05), rel=0.1)
    # Another voice is another film, and renders nothing.
    changed = (
        load(tmp_path / "p.yaml", [("sound.voice[0].at", "T+20 s", "--set")]).job().render(film)
    )
    assert (changed["segments"]["rendered"], changed["sha256"] != report["sha256"]) == (0, True)
    again = load(tmp_path / "p.yaml", [("sound.voice[0].at", "T+20 s", "--set")]).job().render(film)
    assert again["sha256"] == changed["sha256"]


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        ("{file: none.wav}", "p.yaml:5:15: sound.file: "),
        ("{file: x.wav, start: 5 s}", "sound.file: "),
        ("{file: x.wav, voice: [{file: none.wav, at: 1 s}]}", "5:37: sound.voice[0].file: "),
        ("{file: x.wav, voice: [{file: x.wav, at: still ISS1}]}", "5:48: sound.voice[0].at: "),
        ("{file: x.wav, at: 9:99}", "5:26: sound.at: "),
        ("{file: x.wav, duck: 3 dB}", "duck: 3 dB is louder than 0 dB"),
        ("{file: x.wav, fade_in: -1 s}", "fade_in: -1 s is negative"),
        ("{file: x.wav, volume: loud}", "5:30: sound.volume: 'loud' is not a volume"),
        ("{file: x.wav, voices: []}", "unknown key; did you mean voice?"),
    ],
)
def test_mistakes_are_told_where_they_stand(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll], sound: str, said: str
) -> None:
    write(tmp_path / "x.wav", tone(1))
    path = project(tmp_path, gray_roll([0, 1, 2]), "{speed: 1x}", f"sound: {sound}\n")
    done = CliRunner().invoke(main, ["plan", str(path)])
    assert done.exit_code == 3
    assert said in done.stderr


def test_notes_are_in_the_plan(tmp_path: Path, gray_roll: Callable[..., GrayRoll]) -> None:
    write(tmp_path / "x.wav", tone(1))
    words = "sound: {file: x.wav, voice: [{file: x.wav, at: T+100 s}]}\n"
    job = load(project(tmp_path, gray_roll([0, 1, 2]), "{speed: 1x}", words)).job()
    assert any("voice x.wav is not heard" in note for note in job.warnings)
    assert job.sound is not None
    assert [path.name for path in job.sound.files] == ["x.wav", "x.wav"]


def test_a_file_that_breaks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("flac", rate=HERTZ, layout="stereo")
        noise = (np.random.default_rng(3).uniform(-1, 1, (1, 20 * HERTZ)) * 9000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(noise, "s16", "stereo")
        frame.sample_rate = HERTZ
        file.mux([*stream.encode(frame), *stream.encode(None)])
    sound = Sound.of(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(EncodeError, match=r"x\.flac: the sound cannot be decoded"):
        heard(sound, 10)
    path.unlink()
    with pytest.raises(EncodeError, match=r"x\.flac: the sound cannot be decoded: No such file"):
        heard(sound, 10)


def test_a_project_error_says_what_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("roll: {stills: x}\nschedule: {speed: 1}\nsound: {loop: true}\n")
    with pytest.raises(ProjectError, match="sound: needs file"):
        load(path)
