"""What a file is by its first bytes: the one table of signatures, and what reads a file that we do not."""

from __future__ import annotations

from typing import NamedTuple

from lr_runtime.system.files import is_checkpoint

ZIP, GZIP, BZIP2, XZ, ZSTANDARD = b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"
PARQUET, ARROW = b"PAR1", b"ARROW1"


class FileFormat(NamedTuple):
    """A format of files: its name, with an article; what makes a text table of such a file, in a sentence; and what
    reads such a file as a model or array, in a clause.
    """

    what: str
    to_table: str = ""
    reader: str = ""


def _pandas(reader: str) -> str:
    return f"Convert it, in Python: pandas.{reader}(FILE).to_csv('FILE.csv', index=False)"


def _unpack(command: str) -> str:
    return f"Unpack it, and name the tables: {command} FILE"


def _convert(call: str) -> str:
    return f"Convert it, in Python: {call}.to_csv('FILE.csv')"


_ARRAYS = "It holds any number of arrays; choose one, in Python: h5py.File(FILE)[NAME][:]"
_SAVETXT = "Convert it, in Python: numpy.savetxt('FILE.csv', numpy.load(FILE), delimiter=',')"
_FITS = "Convert it, in Python: astropy.table.Table.read(FILE).write('FILE.csv')"
_FEATHER = "Write it again, in Python: pyarrow.feather.write_feather(...)"
_SQLITE = "Export the table: sqlite3 -csv -header FILE 'select * from t' > FILE.csv"
_MATLAB = "Write the table from MATLAB: writetable(T, 'FILE.csv')"
_R = "Write the table from R: write.csv(data, 'FILE.csv', row.names = FALSE)"
_SAVE = "Save the sheet as .xlsx or .csv"
_SAS = b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\x00\x09\xc7\x31\x8c\x18\x1f\x10\x11"
_HDF = b"\x89HDF\r\n\x1a\n"

_CHECKPOINT = FileFormat("a safetensors checkpoint")
_HDF5 = FileFormat("an HDF5 file", _ARRAYS, "h5py reads")
_STATA = FileFormat("a Stata file (.dta)", _pandas("read_stata"))
_TAR = FileFormat("a tar archive", _unpack("tar -xf"))
_PICKLE = FileFormat("a pickle file", reader="pickle or joblib reads, and runs whatever code is in it")

_SIGNATURES: tuple[tuple[int, bytes | tuple[bytes, ...], FileFormat], ...] = (
    (0, PARQUET, FileFormat("a Parquet file")),
    (0, b"PARE", FileFormat("an encrypted Parquet file", "Write it without encryption")),
    (0, ARROW, FileFormat("an Arrow file")),
    (0, b"FEA1", FileFormat("a Feather file of version 1", _FEATHER)),
    (0, b"ORC", FileFormat("an ORC file", _pandas("read_orc"))),
    (0, b"Obj\x01", FileFormat("an Avro file", "Convert it to CSV or Parquet")),
    (0, b"MATLAB 5.0", FileFormat("a MATLAB file (.mat)", _MATLAB)),
    (0, b"MATLAB 7.3", FileFormat("a MATLAB file (.mat, in HDF5)", _MATLAB)),
    (0, _HDF, _HDF5),
    (512, _HDF, _HDF5),
    (0, (b"CDF\x01", b"CDF\x02"), FileFormat("a NetCDF file", _convert("xarray.open_dataset(FILE).to_dataframe()"))),
    (0, b"<stata_dta>", _STATA),
    (0, (b"$FL2", b"$FL3"), FileFormat("an SPSS file (.sav, .zsav)", _pandas("read_spss"))),
    (12, _SAS, FileFormat("a SAS file (.sas7bdat)", _pandas("read_sas"))),
    (0, b"HEADER RECORD*******LIB", FileFormat("a SAS transport file (.xpt)", _pandas("read_sas"))),
    (0, b"RDX", FileFormat("an R file (.RData)", _R)),
    (0, b"X\n\0\0\0", FileFormat("an R file (.rds)", _R)),
    (0, b"\x93NUMPY", FileFormat("a NumPy array (.npy)", _SAVETXT, "numpy.load reads")),
    (0, b"SIMPLE  =", FileFormat("a FITS file", _FITS)),
    (0, b"TDSm", FileFormat("a TDMS file of LabVIEW", _convert("nptdms.TdmsFile(FILE).as_dataframe()"))),
    (0, b"MDF     ", FileFormat("an MDF file of a measurement", "Export the channels as CSV")),
    (0, b"SQLite format 3", FileFormat("an SQLite database", _SQLITE)),
    (8, b"DUCK", FileFormat("a DuckDB database", "Export the table: COPY t TO 'FILE.parquet'")),
    (4, (b"Standard Jet DB", b"Standard ACE DB"), FileFormat("an Access database", "Export the table as CSV")),
    (0, b"\xd0\xcf\x11\xe0", FileFormat("an old spreadsheet or document (.xls, .doc)", _SAVE)),
    (0, ZIP, FileFormat("a zip archive (a spreadsheet, or a TorchScript model)")),
    (0, GZIP, FileFormat("a gzip file", _unpack("gunzip"))),
    (0, BZIP2, FileFormat("a bzip2 file", _unpack("bunzip2"))),
    (0, XZ, FileFormat("an xz file", _unpack("unxz"))),
    (0, ZSTANDARD, FileFormat("a Zstandard file", _unpack("unzstd"))),
    (257, b"ustar", _TAR),
    (0, b"7z\xbc\xaf\x27\x1c", FileFormat("a 7-Zip archive", _unpack("7z x"))),
    (0, b"Rar!\x1a\x07", FileFormat("a RAR archive", _unpack("unrar x"))),
    (0, b"LZIP", FileFormat("an lzip file", _unpack("lzip -d"))),
    (0, b"\x1f\x9d", FileFormat("a file of compress (.Z)", _unpack("uncompress"))),
    (0, b"\x04\x22\x4d\x18", FileFormat("an LZ4 file", _unpack("lz4 -d"))),
    (4, b"ORTM", FileFormat("an ORT flatbuffer model", reader="onnxruntime reads")),
    (4, b"TFL3", FileFormat("a TensorFlow Lite model", reader="tflite or LiteRT reads")),
    (0, b"GGUF", FileFormat("a GGUF model", reader="llama.cpp reads")),
    (0, (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), _PICKLE),
    (0, b"%PDF", FileFormat("a PDF file")),
    (0, (b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), FileFormat("a picture", "Name a table")),
    (0, b"\x7fELF", FileFormat("a program", "Name a table")),
    (0, b"version https://git-lfs", FileFormat('a git-LFS pointer (run "git lfs pull" for the file itself)')),
    (0, b"<!DOCTYPE", FileFormat("a web page or XML")),
    (0, b"<html", FileFormat("a web page")),
    (0, b"<?xml", FileFormat("an XML file")),
    (0, (b"\xff\xfe", b"\xfe\xff"), FileFormat("UTF-16 text")),
)
_TAR_HEADER = 512


def what_it_is(head: bytes) -> str | None:
    """Name the format of a file by its first bytes, 512 where there are as many; None where they do not tell.

    >>> what_it_is(b"PAR1")
    'a Parquet file'
    """
    found = format_of(head)
    return None if found is None else found.what


def format_of(head: bytes) -> FileFormat | None:
    """Return the format of a file by its first bytes, 512 where there are as many; None where they do not tell."""
    if is_checkpoint(head):
        return _CHECKPOINT
    for place, marks, found in _SIGNATURES:
        if head.startswith(marks, place):
            return found
    if _is_old_stata(head):
        return _STATA
    if _is_old_tar(head):
        return _TAR
    return FileFormat("a MATLAB file (.mat, version 4)", _MATLAB) if _is_old_matlab(head) else None


def _is_old_stata(head: bytes) -> bool:
    """Return whether the versions 4 to 12 of Stata begin so: a release, an order of bytes, 1, 0."""
    return head[:1] != b"" and 0x68 <= head[0] <= 0x73 and head[1:4] in {b"\x01\x01\x00", b"\x02\x01\x00"}


def _is_old_tar(head: bytes) -> bool:
    """Return whether the first header has the checksum of tar, which the oldest have alone."""
    field = head[148:156].strip(b" \0")
    if len(head) < _TAR_HEADER or not field or field.strip(b"01234567"):
        return False
    return int(field, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:_TAR_HEADER])


def _is_old_matlab(head: bytes) -> bool:
    """Return whether a matrix begins as in version 4: type, rows, columns, whether complex, the length of its name."""
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
