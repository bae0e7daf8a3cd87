"""Data as users have them: npz, csv, and tensors of torch."""

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.files import read_arrays

X = np.array([[1.5, 2.0], [3.0, -4e-3], [0.0, 7.0]])


def rows(separator=","):
    return "\n".join(separator.join(map(str, row)) for row in X.tolist()) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
@pytest.mark.parametrize("header", ["", "temperature,pressure\n"])
def test_csv(tmp_path, separator, header):
    path = tmp_path / "data.csv"
    path.write_text(header.replace(",", separator) + rows(separator), encoding="utf-8-sig")
    arrays = read_arrays(path)
    assert list(arrays) == ["x"]
    np.testing.assert_array_equal(arrays["x"], X)


def test_columns_of_answers_have_their_names(tmp_path):
    path = tmp_path / "data.CSV"
    path.write_text("a,label,y1,b,y2\n1,0,0.5,2,7\n3,1,0.25,4,8\n")
    arrays = read_arrays(path)
    np.testing.assert_array_equal(arrays["x"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(arrays["y"], [[0.5, 7], [0.25, 8]])
    assert arrays["labels"].dtype == np.int64
    np.testing.assert_array_equal(arrays["labels"], [0, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"data\.csv .*is empty"),
        ("a,b\n", r"has a header and no rows"),
        ("a,b\n1,2\n1,x\n", r"line 3: 'x' is no number"),
        ("1,2\n1\n", r"line 2 has 1 columns, and the first 2"),
        ("a,b\n1,\n", r"line 2: '' is no number"),
        ("y\n1\n", r"has no column of features"),
    ],
)
def test_refusals(tmp_path, text, message):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_arrays(tmp_path / "data.csv")


def test_tensors(tmp_path):
    torch.save(torch.tensor(X), tmp_path / "x.pt")
    np.testing.assert_array_equal(read_arrays(tmp_path / "x.pt")["x"], X)
    content = {"x": torch.tensor(X).float(), "labels": torch.tensor([0, 1, 1]), "name": "mine"}
    torch.save(content, tmp_path / "d.pth")
    arrays = read_arrays(tmp_path / "d.pth")
    np.testing.assert_array_equal(arrays["x"], X.astype(np.float32))
    assert arrays["labels"].dtype.kind == "i"
    torch.save({"weight": torch.zeros(2)}, tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"m\.pt has no array 'x' \(it has weight\)"):
        read_arrays(tmp_path / "m.pt")
