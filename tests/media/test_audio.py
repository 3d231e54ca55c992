from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ruxi.errors import MediaError
from ruxi.files import sha256_of_bytes
from ruxi.media import SAMPLE_RATE, Audio, Limits, open_audio, open_medium
from tests.media.samples import SOUNDS, encoded_sound, encoded_video, sample, tone, written


def loudest_hertz(audio: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(audio.samples))


def middle_peak(audio: Audio) -> float:
    quarter = len(audio.samples) // 4
    return float(np.abs(audio.samples[quarter:-quarter]).max())


@pytest.mark.parametrize("name", SOUNDS)
def test_every_format_gives_the_same_tone(name: str) -> None:
    audio = open_audio(sample(name), start=3.0)
    assert audio.samples.dtype == np.float32
    assert audio.rate == SAMPLE_RATE
    # Lossy coders round the length to whole blocks.
    assert audio.duration == pytest.approx(0.5, abs=0.05)
    assert loudest_hertz(audio) == pytest.approx(440, abs=3)
    assert middle_peak(audio) == pytest.approx(0.5, abs=0.06)
    assert (audio.kind, audio.start, audio.end) == ("audio", 3.0, pytest.approx(3.0 + audio.duration))
    assert audio.sha256 == sha256_of_bytes(sample(name))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_every_depth_has_the_same_full_scale(subtype: str) -> None:
    within = {"PCM_U8": 1 / 64, "ULAW": 1 / 32, "ALAW": 1 / 32}.get(subtype, 1 / 16_384)
    found = open_audio(written(tone(), SAMPLE_RATE, "WAV", subtype)).samples
    assert np.abs(found - tone()).max() < within


def test_16_khz_mono_passes_through_exactly() -> None:
    data = written(tone(), SAMPLE_RATE, "FLAC", "PCM_24")
    reference, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    assert np.array_equal(open_audio(data).samples, reference)


@settings(deadline=None, max_examples=40)
@given(
    rate=st.sampled_from([4_000, 8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000]),
    channels=st.integers(1, 20),
    hertz=st.integers(200, 1_500),
)
def test_any_rate_and_channel_count(rate: int, channels: int, hertz: int) -> None:
    samples = np.stack([tone(0.5, rate, hertz)] * channels, axis=1)
    audio = open_audio(written(samples, rate, "WAV", "FLOAT"))
    assert len(audio.samples) == pytest.approx(SAMPLE_RATE // 2, abs=2)
    assert loudest_hertz(audio) == pytest.approx(hertz, abs=4)
    assert middle_peak(audio) == pytest.approx(0.5, abs=0.01)


def test_channels_are_averaged() -> None:
    left, right = tone(hertz=440), tone(hertz=880)
    audio = open_audio(written(np.stack([left, right], axis=1), SAMPLE_RATE, "WAV", "FLOAT"))
    assert np.abs(audio.samples - (left + right) / 2).max() < 1e-6


def test_resampling_lets_nothing_fold_back() -> None:
    """A tone above 8 kHz must vanish, not return as another one."""
    audio = open_audio(written(tone(1.0, 48_000, 15_000.0), 48_000, "WAV", "FLOAT"))
    assert middle_peak(audio) < 0.001


def test_samples_that_are_no_numbers_become_silence() -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 0.5, 7.0, -7.0], np.float32).repeat(1_000)
    audio = open_audio(written(samples, SAMPLE_RATE, "WAV", "FLOAT"))
    assert np.isfinite(audio.samples).all()
    assert audio.samples[3_500] == 0.5
    assert (audio.samples.min(), audio.samples.max()) == (-1, 1)


def test_more_channels_than_pyav_can_list() -> None:
    """PyAV reads past its list of planes above eight channels; such frames take another way."""
    from ruxi.media.audio import _mean

    frame = av.AudioFrame.from_ndarray(np.full((1, 24 * 500), 0.25, np.float32), format="flt", layout="24 channels")
    frame.sample_rate = SAMPLE_RATE
    (planar,) = av.AudioResampler(format="fltp").resample(frame)
    assert (planar.format.is_planar, planar.layout.nb_channels) == (True, 24)
    assert _mean(planar) == pytest.approx(np.full(500, 0.25))


def test_the_sound_of_a_video_opens_as_a_sound() -> None:
    data = sample("h264.mp4")
    audio = open_audio(data)
    assert audio.duration == pytest.approx(3.0, abs=0.05)
    assert loudest_hertz(audio) == pytest.approx(440, abs=3)


def test_a_cover_picture_makes_no_video() -> None:
    picture = b"\0image/png\0\3\0" + sample("rgb.png")
    tag = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = len(tag)
    data = b"ID3\3\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + tag + sample("lame.mp3")
    with av.open(io.BytesIO(data)) as container:
        assert len(container.streams.video) == 1
    audio = open_medium(data)
    assert audio.kind == "audio"
    assert audio.duration == pytest.approx(0.5, abs=0.05)


def test_a_pause_in_the_time_stamps_is_silence() -> None:
    first, second = encoded_sound("matroska", "flac", seconds=1.0), encoded_sound("matroska", "flac", seconds=1.0)
    data = joined(first, second, gap=2.5)
    audio = open_audio(data)
    assert audio.duration == pytest.approx(4.5, abs=0.15)
    silence = audio.samples[round(1.3 * SAMPLE_RATE) : round(3.2 * SAMPLE_RATE)]
    assert np.abs(silence).max() < 1e-3
    assert np.abs(audio.samples[round(3.7 * SAMPLE_RATE) :]).max() > 0.4
    with pytest.raises(MediaError, match="the limit is 3"):
        open_audio(data, limits=Limits(seconds=3.0))


def joined(first: bytes, second: bytes, gap: float) -> bytes:
    """Two sounds in one file, the second one `gap` seconds after the first."""
    buffer = io.BytesIO()
    with (
        av.open(io.BytesIO(first)) as one,
        av.open(io.BytesIO(second)) as two,
        av.open(buffer, "w", format="matroska") as out,
    ):
        stream = out.add_stream_from_template(one.streams.audio[0])
        for container, offset in ((one, 0.0), (two, 1.0 + gap)):
            for packet in container.demux(container.streams.audio[0]):
                if packet.dts is None:
                    continue
                packet.pts += round(offset / packet.time_base)
                packet.dts += round(offset / packet.time_base)
                packet.stream = stream
                out.mux(packet)
    return buffer.getvalue()


def three_hours(format_: str, subtype: str) -> bytes:
    return written(np.zeros(3 * 3_600 * 8_000, np.float32), 8_000, format_, subtype)


@pytest.mark.parametrize(("format_", "subtype"), [("WAV", "PCM_U8"), ("FLAC", "PCM_S8")])
def test_three_hours_are_refused_before_decoding(
    format_: str, subtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(three_hours(format_, subtype))
    monkeypatch.setattr("ruxi.media.audio.decode_sound", lambda *_, **__: pytest.fail("the decoder was asked"))
    with pytest.raises(MediaError) as caught:
        open_audio(path)
    assert str(caught.value) == (
        f"{path}: the recording has 10,800 seconds, the limit is 600. Give a smaller one, or raise the limit `seconds`."
    )


def test_three_hours_of_mp3_are_counted_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the file says how long it is: 300,000 frames without a header."""
    frame = mp3_frame(encoded_sound("mp3", "libmp3lame", seconds=1.0, rate=16_000))
    data = frame * (3 * 3_600 * 16_000 // 576)
    monkeypatch.setattr("ruxi.media.audio.decode_sound", lambda *_, **__: pytest.fail("the decoder was asked"))
    with pytest.raises(MediaError, match=r"the recording has 10,[78]\d\d seconds, the limit is 600"):
        open_audio(data)


def mp3_frame(data: bytes) -> bytes:
    """One frame from the middle of a file of constant bit rate."""
    with av.open(io.BytesIO(data)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    return packets[len(packets) // 2]


def test_a_header_that_promises_less_than_there_is_does_not_help() -> None:
    data = bytearray(written(np.zeros(20 * 8_000, np.float32), 8_000, "FLAC", "PCM_S8"))
    # The last 36 bits before the checksum are the number of samples (RFC 9639, 8.2): claim one second.
    bits = int.from_bytes(data[18:26], "big")
    data[18:26] = (bits >> 36 << 36 | 8_000).to_bytes(8, "big")
    with pytest.raises(MediaError, match="seconds, the limit is 10"):
        open_audio(bytes(data), limits=Limits(seconds=10.0))


def test_recordings_that_know_no_length_open() -> None:
    """Programs that write into a pipe leave the largest number where the length belongs."""
    data = bytearray(sample("16.wav"))
    data[4:8] = b"\xff" * 4
    place = data.index(b"data")
    data[place + 4 : place + 8] = b"\xff" * 4
    assert open_audio(bytes(data)).duration == 0.5


def test_decoding_has_a_time_limit() -> None:
    with pytest.raises(MediaError, match="not decoded within 1e-06 seconds"):
        open_audio(sample("16.wav"), limits=Limits(decode_seconds=1e-6))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sample("16.wav")[:44], "without a single sample|damaged"),
        (sample("lame.mp3")[:300], "without a single sample|damaged"),
        (sample("aac.m4a")[:100], "damaged MP4|damaged M4A"),
        (sample("16.wav")[:24] + struct.pack("<I", 900_000) + sample("16.wav")[28:], "900,000 samples a second"),
        (sample("16.wav")[:24] + struct.pack("<I", 1) + sample("16.wav")[28:], "1 samples a second"),
        (
            sample("16.wav")[:20] + b"\x34\x12" + sample("16.wav")[22:],
            "'unknown', which is not supported|damaged",
        ),
    ],
)
def test_damaged_sounds_say_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        open_audio(data)


def test_a_few_damaged_packets_are_left_out_but_not_many() -> None:
    data = bytearray(encoded_sound("mp3", "libmp3lame", seconds=5.0))
    whole = open_audio(bytes(data)).duration
    data[20_000:20_400] = bytes(400)
    assert open_audio(bytes(data)).duration == pytest.approx(whole, abs=0.2)
    webm = bytearray(sample("aac.m4a"))
    chance = np.random.default_rng(1)
    place = webm.index(b"mdat") + 4
    webm[place : place + 5_000] = chance.bytes(5_000)
    with pytest.raises(MediaError, match="damaged"):
        open_audio(bytes(webm))


PLAYLISTS = (
    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile '{path}'\n",
    '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>file://{path}</BaseURL></AdaptationSet></Period></MPD>',
    "{path}\n",
)


@pytest.mark.parametrize("playlist", PLAYLISTS)
@pytest.mark.parametrize(
    "disguise", [b"", b"ID3\x04\0\0\0\0\0\0", b"fLaC", b"RIFF\xff\xff\xff\0WAVE", b"OggS", b"\xff\xfb\x90\0"]
)
def test_a_playlist_in_disguise_reads_no_other_file(playlist: str, disguise: bytes, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sample("16.wav"))
    with pytest.raises(MediaError):
        open_audio(disguise + playlist.format(path=secret).encode())


def test_an_mp4_that_points_to_another_file_reads_it_not(tmp_path: Path) -> None:
    """A data reference (`dref`) may name a file that holds the samples."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sample("16.wav"))
    data = bytearray(sample("alac.m4a"))
    place = data.index(b"url \0\0\0\1")
    link = str(secret).encode() + b"\0"
    entry = struct.pack(">I", 12 + len(link)) + b"url \0\0\0\0" + link
    grown = len(entry) - 12
    data[place - 4 : place + 8] = entry
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = data.index(box) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + grown)
    own = open_audio(sample("alac.m4a"))
    try:
        opened = open_audio(bytes(data))
    except MediaError:
        return
    assert opened.duration <= own.duration


@pytest.mark.real_data
def test_real_speech_is_what_libsndfile_reads(real_data: Path) -> None:
    paths = (
        sorted((real_data / "librispeech_sample").rglob("*.flac"))[:5]
        + sorted((real_data / "ravdess").rglob("*.flac"))[:5]
    )
    assert len(paths) == 10
    for path in paths:
        reference, rate = soundfile.read(path, dtype="float32", always_2d=True)
        audio = open_audio(path)
        assert audio.duration == pytest.approx(len(reference) / rate, abs=0.001)
        if rate == SAMPLE_RATE:
            assert np.abs(audio.samples - reference.mean(axis=1)).max() < 1e-6


def test_a_late_sound_track_begins_with_silence() -> None:
    audio = open_audio(encoded_video("matroska", "mpeg4", "flac", sound_from=1.0), start=5.0)
    assert (audio.start, audio.end) == (5.0, pytest.approx(8.0, abs=0.05))
    assert np.abs(audio.samples[: round(0.95 * SAMPLE_RATE)]).max() < 1e-3
    assert np.abs(audio.samples[round(1.05 * SAMPLE_RATE) :]).max() > 0.4
