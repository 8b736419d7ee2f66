"""Files that are no tables: what each is, by its bytes, and what makes a table of it."""

from __future__ import annotations

from lr_runtime.system.files import what_it_is
from lr_runtime.tables.text.encoding import likely_encoding

_PANDAS = "Convert it, in Python: pandas.{}(FILE).to_csv('FILE.csv', index=False)"
_UNPACK = "Unpack it, and name the tables: {}"
_MATLAB = "Write the table from MATLAB: writetable(T, 'FILE.csv')"
_H5PY = "It holds any number of arrays; choose one, in Python: h5py.File(FILE)[NAME][:]"
_STATA = _PANDAS.format("read_stata")
_SAS = _PANDAS.format("read_sas")
_R = "Write the table from R: write.csv(data, 'FILE.csv', row.names = FALSE)"

_HEADS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"MATLAB 5.0", "a MATLAB file (.mat)", _MATLAB),
    (0, b"MATLAB 7.3", "a MATLAB file (.mat, in HDF5)", _MATLAB),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _H5PY),
    (512, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _H5PY),
    (
        0,
        b"CDF\x01",
        "a NetCDF file",
        "Convert it, in Python: xarray.open_dataset(FILE).to_dataframe().to_csv('FILE.csv')",
    ),
    (
        0,
        b"CDF\x02",
        "a NetCDF file",
        "Convert it, in Python: xarray.open_dataset(FILE).to_dataframe().to_csv('FILE.csv')",
    ),
    (0, b"<stata_dta>", "a Stata file (.dta)", _STATA),
    (0, b"$FL2", "an SPSS file (.sav)", _PANDAS.format("read_spss")),
    (0, b"$FL3", "an SPSS file (.zsav)", _PANDAS.format("read_spss")),
    (
        12,
        b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\x00\x09\xc7\x31\x8c\x18\x1f\x10\x11",
        "a SAS file (.sas7bdat)",
        _SAS,
    ),
    (0, b"HEADER RECORD*******LIB", "a SAS transport file (.xpt)", _SAS),
    (0, b"RDX", "an R file (.RData)", _R),
    (0, b"X\n\0\0\0", "an R file (.rds)", _R),
    (0, b"ORC", "an ORC file", _PANDAS.format("read_orc")),
    (0, b"Obj\x01", "an Avro file", "Convert it to CSV or Parquet"),
    (0, b"FEA1", "a Feather file of version 1", "Write it again, in Python: pyarrow.feather.write_feather(...)"),
    (
        0,
        b"\x93NUMPY",
        "a NumPy array (.npy)",
        "Convert it, in Python: numpy.savetxt('FILE.csv', numpy.load(FILE), delimiter=',')",
    ),
    (0, b"SIMPLE  =", "a FITS file", "Convert it, in Python: astropy.table.Table.read(FILE).write('FILE.csv')"),
    (
        0,
        b"TDSm",
        "a TDMS file of LabVIEW",
        "Convert it, in Python: nptdms.TdmsFile(FILE).as_dataframe().to_csv('FILE.csv')",
    ),
    (0, b"MDF     ", "an MDF file of a measurement", "Export the channels as CSV"),
    (0, b"PARE", "an encrypted Parquet file", "Write it without encryption"),
    (8, b"DUCK", "a DuckDB database", "Export the table: COPY t TO 'FILE.parquet'"),
    (4, b"Standard Jet DB", "an Access database", "Export the table as CSV"),
    (4, b"Standard ACE DB", "an Access database", "Export the table as CSV"),
    (257, b"ustar", "a tar archive", _UNPACK.format("tar -xf FILE")),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK.format("7z x FILE")),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK.format("unrar x FILE")),
    (0, b"LZIP", "an lzip file", _UNPACK.format("lzip -d FILE")),
    (0, b"\x1f\x9d", "a file of compress (.Z)", _UNPACK.format("uncompress FILE")),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file", _UNPACK.format("lz4 -d FILE")),
    (0, b"\x7fELF", "a program", "Name a table"),
    (0, b"GIF8", "a picture", "Name a table"),
)
_NEXT = {
    "an SQLite database": "Export the table: sqlite3 -csv -header FILE 'select * from t' > FILE.csv",
    "an old spreadsheet or document (.xls, .doc)": "Save the sheet as .xlsx or .csv",
    "a gzip file": _UNPACK.format("gunzip FILE"),
    "a bzip2 file": _UNPACK.format("bunzip2 FILE"),
    "an xz file": _UNPACK.format("unxz FILE"),
    "a Zstandard file": _UNPACK.format("unzstd FILE"),
}
_HEAD_BYTES = 512


def refusal(head: bytes) -> str | None:
    """Say what a file is that is no text, and what to do; None where it may be text.

    Args:
        head: its first bytes, UTF-8 where it is text.
    """
    found = _known(head)
    if found is not None:
        kind, way = found
        return f"is {kind}, not a text table" + (f". {way}" if way else "")
    if b"\0" not in head[:4096]:
        return None
    said = f"is a binary file, not a text table (a NUL byte at offset {head.index(0)})"
    encoding = likely_encoding(head[:4096])
    is_text = encoding.startswith("utf-16") and _is_text(head[:4096], encoding)
    return f"{said}. It may be UTF-16 text. Try: --encoding {encoding}" if is_text else f"{said}. Name a table"


def _known(head: bytes) -> tuple[str, str | None] | None:
    for place, mark, kind, way in _HEADS:
        if head[place : place + len(mark)] == mark:
            return kind, way
    if head[:1] and 0x68 <= head[0] <= 0x73 and head[1:4] in {b"\x01\x01\x00", b"\x02\x01\x00"}:
        return "a Stata file (.dta)", _STATA
    if _is_old_tar(head):
        return "a tar archive", _UNPACK.format("tar -xf FILE")
    if _is_old_matlab(head):
        return "a MATLAB file (.mat, version 4)", _MATLAB
    usual = what_it_is(head[:64])
    return None if usual is None else (usual, _NEXT.get(usual))


def _is_old_tar(head: bytes) -> bool:
    """Whether the first header has the checksum of tar, which the oldest have alone."""
    field = head[148:156].strip(b" \0")
    if len(head) < _HEAD_BYTES or not field or field.strip(b"01234567"):
        return False
    return int(field, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:_HEAD_BYTES])


def _is_old_matlab(head: bytes) -> bool:
    """Whether a matrix begins as in version 4: type, rows, columns, whether complex, the length of its name."""
    for order in ("little", "big"):
        kind, rows, columns, is_complex, name = (int.from_bytes(head[at : at + 4], order) for at in range(0, 20, 4))
        text = head[20 : 20 + name - 1]
        if (
            kind in {code + 1000 * (order == "big") for code in (0, 10, 20, 30, 40, 50)}
            and is_complex in {0, 1}
            and 1 < name < 64
            and rows * columns > 0
            and text.decode("latin-1").isidentifier()
        ):
            return True
    return False


def _is_text(head: bytes, encoding: str) -> bool:
    """Whether bytes are text in an encoding of two bytes a character, with a line end."""
    text = head[: len(head) // 2 * 2].decode(encoding, errors="replace")
    return "\n" in text and all(character.isprintable() or character in "\r\n\t" for character in text)
