"""The bytes of identities, statuses and requests."""

import pytest

from kanhw.boards.protocol.messages import STATUS_FIELDS, Identity, Status, start_test
from kanhw.errors import InputError

IDENTITY = Identity(bytes(range(16)), 7, 300, 2, 48_000_000)


def test_identity_and_status_come_back():
    assert Identity.from_bytes(IDENTITY.to_bytes()) == IDENTITY
    status = Status(1, 2, 3, 4, 5, 6, 7, 8)
    assert Status.from_bytes(status.to_bytes()) == status
    assert list(STATUS_FIELDS) == list(vars(status))


def test_what_is_another_version_or_no_design_is_refused():
    data = IDENTITY.to_bytes()
    with pytest.raises(InputError, match="no kanhw design"):
        Identity.from_bytes(b"ABCD" + data[4:])
    for other in (data[:4] + b"\2" + data[5:], data[:-1]):
        with pytest.raises(InputError, match="version"):
            Identity.from_bytes(other)
    with pytest.raises(InputError, match="bytes"):
        Status.from_bytes(b"")


def test_a_test_has_beats():
    assert start_test(1, 258).hex(" ") == "01 00 00 00 02 01 00 00"
    for beats in (0, 1 << 32):
        with pytest.raises(InputError, match="another number of vectors"):
            start_test(1, beats)
