"""What a file is, by its first bytes: names end in `.bin`, `.pt` or `.pth` whatever is inside."""

from __future__ import annotations

from typing import Literal

from visavis.zoo.formats.contents import UnreadableError

Kind = Literal["safetensors", "zip", "pickle"]

HEAD_BYTES = 512
_READ = "visavis reads safetensors, torch.save's files, TorchScript archives and .npz."
_AGAIN = "Fetch it again, and look at the address: the page or the server's message stands where the file should be."

# What does not hold weights for us, by how it begins, and what to do about it.
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n", "is an image (PNG)", "Give a file of weights here."),
    (b"\xff\xd8\xff", "is an image (JPEG)", "Give a file of weights here."),
    (b"GIF8", "is an image (GIF)", "Give a file of weights here."),
    (b"RIFF", "is an image or a sound (RIFF)", "Give a file of weights here."),
    (b"BM", "is an image (BMP)", "Give a file of weights here."),
    (b"version https://git-lfs", "is a pointer of git-lfs, not the weights", "Fetch them with 'git lfs pull'."),
    (b"\x89HDF\r\n", "is an HDF5 file, as Keras writes", f"Save the weights as safetensors. {_READ}"),
    (b"GGUF", "is a GGUF file", f"Give the weights that it was made of. {_READ}"),
    (b"\x93NUMPY", "is a single array of numpy", f"Save the arrays with numpy.savez. {_READ}"),
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first: gunzip."),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "Unpack it first: unzstd."),
    (b"\xfd7zXZ", "is compressed with xz", "Unpack it first: unxz."),
    (b"PK\x05\x06", "is an empty zip archive", "Fetch it again."),
)


def identify(head: bytes) -> Kind:
    """The container that a file's first `HEAD_BYTES` bytes show.

    Raises:
        UnreadableError: It is empty or none of ours, with what it seems to be.
    """
    if not head:
        raise UnreadableError("is empty", "Fetch it again: a download that broke at once leaves such a file.")
    if len(head) > 8 and head[8:9] == b"{":  # after a length of eight bytes
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[:1] == b"\x80":
        return "pickle"
    for start, what, remedy in _OTHERS:
        if head.startswith(start):
            raise UnreadableError(what, remedy)
    if head[257:262] == b"ustar":
        raise UnreadableError(
            "is a tar archive",
            "Unpack it and give the weights; if torch before 0.1.10 wrote it, load it where you trust it with "
            "torch.load(file, weights_only=False) and save it again.",
        )
    raise _text_or_unknown(head)


def _text_or_unknown(head: bytes) -> UnreadableError:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")):
        return UnreadableError("is a web page, not weights", _AGAIN)
    if text.startswith((b"{", b"[")):
        return UnreadableError("is JSON, not weights", _AGAIN)
    if text.isascii() and not any(byte < 9 for byte in text):
        return UnreadableError("is a text, not weights", _AGAIN)
    return UnreadableError(f"is no kind of weights file that is known here (it begins {head[:8]!r})", _READ)
