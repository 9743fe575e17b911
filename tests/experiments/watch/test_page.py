from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re

from experiments.watch.page import SCRIPTS, SERVED_POLICY, bundle, report_page, served_page

HOSTILE = "</script><script>alert(1)</script><!--"


def contents(page: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", page, flags=re.DOTALL)


def test_the_data_are_inside_and_markup_in_them_is_not_markup():
    page = report_page({"runs": [HOSTILE]})
    assert HOSTILE not in page
    packed, script = contents(page, "script")
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == {"runs": [HOSTILE]}
    assert script == bundle(SCRIPTS)


def test_the_policy_of_a_report_allows_its_own_script_and_style_only():
    page = report_page({})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "unsafe" not in policy + SERVED_POLICY
    assert policy.startswith("default-src 'none'")
    for text in (contents(page, "script")[1], contents(page, "style")[0]):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy


def test_nothing_comes_from_elsewhere():
    for page in (report_page({}), served_page()):
        assert not re.search(r'(?:src|href)="(?!page\.|#)', page)


def test_a_served_page_has_no_inline_code():
    page = served_page()
    assert contents(page, "script") == [""]
    assert contents(page, "style") == []
    assert not re.search(r"\son\w+=", page)


def test_equal_data_give_equal_reports():
    assert report_page({"a": 1}) == report_page({"a": 1})
