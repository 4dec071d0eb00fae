"""Collect the frames of a WAV file in a GrowArray, and measure the level meanwhile.

    python examples/collect_wav.py [FILE]

After each block that it reads, the program prints the level of the last tenth of a
second. It computes this from a view of the last frames, which may be from several
blocks. No frame is copied for this, and the array can still grow while the view exists.
The samples of the file must have 16 bits. Without a FILE, the program makes one in
memory: a tone that becomes louder.
"""

import sys
import wave

import numpy as np

from growbuf import GrowArray, GrowIO

BLOCK = 1024  # frames
FULL_SCALE = 32767


def make_tone(seconds=1.0, rate=8000):
    """Return a WAV file in memory: two channels, and a tone of 440 Hz in both."""
    times = np.arange(int(seconds * rate)) / rate
    tone = FULL_SCALE * times / seconds * np.sin(2 * np.pi * 440 * times)
    file = GrowIO()
    with wave.open(file, "wb") as target:
        target.setparams((2, 2, rate, 0, "NONE", ""))
        target.writeframes(np.column_stack([tone, tone]).astype("<i2").tobytes())
    file.seek(0)
    return file


def blocks(source):
    """Yield arrays with a row for each frame and a column for each channel."""
    while data := source.readframes(BLOCK):
        yield np.frombuffer(data, "<i2").reshape(-1, source.getnchannels())


def decibels(samples):
    """Return the level of samples. The loudest possible sine wave has 0 dB."""
    rms = np.sqrt(np.mean(np.square(samples, dtype="f8")))
    return 20 * np.log10(max(rms, 1) / (FULL_SCALE / np.sqrt(2)))


def main():
    with wave.open(sys.argv[1] if len(sys.argv) > 1 else make_tone()) as source:
        if source.getsampwidth() != 2:
            sys.exit(f"{sys.argv[1]}: the samples do not have 16 bits")
        rate = source.getframerate()
        frames = GrowArray(dtype="<i2", row_shape=source.getnchannels())
        for block in blocks(source):
            frames.extend(block)
            level = decibels(frames[-(rate // 10) :])
            print(f"{len(frames) / rate:8.2f} s  {level:6.1f} dB")
    print(f"{len(frames)} frames, peak {np.abs(frames, dtype='i4').max()}")


if __name__ == "__main__":
    main()
