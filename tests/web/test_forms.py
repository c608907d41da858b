"""Forms that hold a file, compared with what httpx makes of any bytes."""

import contextlib
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.web.forms import file_of_form
from i2v_search.web.guard.failures import Failure

#: Bytes with what parts are divided by.
CONTENT = st.lists(st.sampled_from([b"\r\n", b"--", b"x", b"\n", b"\0\xff", b"\r\n--x--\r\n"])).map(b"".join)


@settings(max_examples=40)
@given(content=st.one_of(st.binary(), CONTENT), before=st.binary(max_size=9), after=st.text(max_size=9))
def test_the_file_comes_out_as_it_was_sent(content: bytes, before: bytes, after: str) -> None:
    files: list[Any] = [("other", ("o.bin", before)), ("file", ('naïve "name".png', content, "image/png"))]
    request = httpx.Request("POST", "http://localhost/", files=files, data={"note": after})
    assert file_of_form(request.read(), request.headers["content-type"]) == content


@given(body=st.one_of(st.binary(), CONTENT))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Failure):
        assert file_of_form(body, "multipart/form-data; boundary=x") in body


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "x; boundary=é", "\r\n"]
)
def test_a_form_needs_a_boundary(kind: str) -> None:
    with pytest.raises(Failure, match="boundary"):
        file_of_form(b"--x--", kind)
