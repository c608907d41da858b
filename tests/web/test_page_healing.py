"""The page heals itself after a failure, and stays usable where much is shown or little room is left."""

import io
from typing import Any

import pytest
from PIL import Image
from visiting import Opens, Visit, until
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")


def test_the_collection_is_asked_for_again_until_it_answers(visit: Visit, server: Running) -> None:
    visit.expected = ("status of 500",)
    page, failures = visit.page, iter(range(2))

    def fail_at_first(route: Any) -> None:
        if next(failures, None) is None:
            route.continue_()
        else:
            route.fulfill(status=500, json={})

    page.route("**/api/v1/collection", fail_at_first)
    visit.open()
    images = server.client.get("/api/v1/collection").json()["images"]
    expect(page.locator("#facts")).to_have_text(f"{images} pictures")
    expect(page.locator("#collection")).not_to_have_text("")


def test_tags_of_the_pictures_before_are_not_offered_while_others_are_awaited(visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#chips .chip").first).to_be_visible()
    held: list[Any] = []
    page.route("**/api/v1/search", lambda route: held.append(route))
    page.locator("#grid a").first.click()
    expect(page.locator("#grid.waiting")).to_be_visible()
    expect(page.locator("#chips .chip").first).to_be_hidden()
    until(page, "document.querySelector('#grid').getAttribute('aria-busy') === 'true'")
    held[0].continue_()
    expect(page.locator("#grid.waiting")).to_have_count(0)
    expect(page.locator("#chips .chip").first).to_be_visible()


def test_of_many_tags_the_first_are_shown_and_all_when_asked_for(visit: Visit, server: Running) -> None:
    page, facts = visit.page, server.client.get("/api/v1/images/3").json()
    tags = [{"name": f"tag {n}", "probability": 0.9, "category": "general"} for n in range(2000)]
    page.route("**/api/v1/images/3", lambda route: route.fulfill(json={**facts, "tags": tags}))
    visit.open("?image=3")
    expect(page.locator("#detail-tags li")).to_have_count(30)
    page.locator("#detail-tags").get_by_role("button", name="All 2000 tags").click()
    expect(page.locator("#detail-tags li")).to_have_count(2000)


def test_forced_colours_leave_sliders_to_see(window: Opens) -> None:
    page = window(forced_colors="active").open("?a=2&b=60")
    slider = page.locator("#steps")
    expect(slider).to_be_visible()
    drawn = Image.open(io.BytesIO(slider.screenshot())).convert("RGB")
    middle = {drawn.getpixel((x, drawn.height // 2)) for x in range(drawn.width)}
    assert len(middle) > 2  # ground, track and thumb


def test_an_open_morph_leaves_the_search_field_free_where_all_is_enlarged(window: Opens) -> None:
    page = window(viewport={"width": 640, "height": 400}, device_scale_factor=2).open("?a=2&b=60")
    expect(page.locator("#film [data-key]").first).to_be_attached()
    dock, field = page.locator("#dock").bounding_box(), page.locator(".query").bounding_box()
    assert dock["y"] >= field["y"] + field["height"]
