"""Probabilities become tags as the Illustration2Vec library chose them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.errors import TagError
from i2v_search.search.column_conditions import parse_condition
from i2v_search.search.tag_query import TagTerm, parse_tags
from i2v_search.tags.vocabulary import (
    CATEGORIES,
    ImageTags,
    Tag,
    Vocabulary,
    caption,
    normalise_tag,
    plausible_tags,
    specific_tags,
    top_tags,
)

HATS = Vocabulary(
    names=("hat", "miku", "smile", "vocaloid", "safe", "skirt", "explicit", "questionable", "rin"),
    categories=(
        *("general", "character", "general", "copyright", "rating"),
        *("general", "rating", "rating", "character"),
    ),
)
#             hat   miku  smile vocal safe  skirt expl  quest rin
PROBABILITIES = (0.50, 0.25, 0.75, 0.30, 0.90, 0.10, 0.01, 0.09, 0.26)
RATINGS = [("safe", 0.9), ("questionable", 0.09), ("explicit", 0.01)]


def with_thresholds(half: float, one: float, two: float) -> Vocabulary:
    return HATS.with_thresholds(np.tile(np.array([half, one, two], np.float32), (len(HATS), 1)))


def test_plausible_tags_are_above_the_threshold_in_falling_order() -> None:
    assert plausible_tags(PROBABILITIES, HATS).to_dict() == {
        "general": [("smile", 0.75), ("hat", 0.5)],
        "character": [("rin", 0.26)],  # miku is exactly at the threshold
        "copyright": [("vocaloid", 0.3)],
        "rating": RATINGS,
    }


def test_ratings_are_complete_whatever_the_threshold() -> None:
    assert plausible_tags(PROBABILITIES, HATS, threshold=2.0) == ImageTags(
        rating=tuple(Tag(name, probability, "rating") for name, probability in RATINGS)
    )


def test_a_threshold_below_zero_lists_everything() -> None:
    tags = plausible_tags(PROBABILITIES, HATS, threshold=-1)
    assert [tag.name for tag in tags.general] == ["smile", "hat", "skirt"]
    assert [tag.name for tag in tags.character] == ["rin", "miku"]


@pytest.mark.parametrize(
    ("rule", "general"), [("f0.5", []), ("f1", ["smile"]), ("f2", ["smile", "hat", "skirt"])]
)
def test_the_f_rules_use_each_tags_own_threshold(rule: str, general: list[str]) -> None:
    vocabulary = with_thresholds(0.75, 0.5, 0.05)
    tags = plausible_tags(PROBABILITIES, vocabulary, rule=rule, threshold=0.0)  # type: ignore[arg-type]
    assert [tag.name for tag in tags.general] == general
    assert len(tags.rating) == 3


def test_thresholds_belong_to_their_tags() -> None:
    thresholds = np.ones((len(HATS), 3), np.float32)
    thresholds[5, 1] = 0.05  # skirt
    tags = plausible_tags(PROBABILITIES, HATS.with_thresholds(thresholds), rule="f1")
    assert tags.general == (Tag("skirt", 0.1, "general"),)
    assert tags.character == tags.copyright == ()


def test_an_f_rule_without_thresholds_says_what_is_missing() -> None:
    with pytest.raises(TagError, match=r"'f1' needs a threshold for each tag"):
        plausible_tags(PROBABILITIES, HATS, rule="f1")


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(TagError, match=r"'f3' is unknown; available: constant, f0\.5, f1, f2"):
        plausible_tags(PROBABILITIES, HATS, rule="f3")  # type: ignore[arg-type]


def test_top_tags_are_the_best_of_each_category_and_all_ratings() -> None:
    assert top_tags(PROBABILITIES, HATS, count=1).to_dict() == {
        "general": [("smile", 0.75)],
        "character": [("rin", 0.26)],
        "copyright": [("vocaloid", 0.3)],
        "rating": RATINGS,
    }


def test_top_tags_end_with_the_category() -> None:
    tags = top_tags(PROBABILITIES, HATS)
    assert (len(tags.general), len(tags.character), len(tags.copyright), len(tags.rating)) == (3, 2, 1, 3)


def test_no_top_tags_but_the_ratings() -> None:
    assert top_tags(PROBABILITIES, HATS, count=0).to_dict() == {
        "general": [],
        "character": [],
        "copyright": [],
        "rating": RATINGS,
    }
    with pytest.raises(TagError, match="-1 tags"):
        top_tags(PROBABILITIES, HATS, count=-1)


def test_equal_probabilities_keep_the_order_of_the_vocabulary() -> None:
    names = tuple(f"t{number}" for number in range(100))
    vocabulary = Vocabulary(names, ("general",) * 100)
    assert [tag.name for tag in top_tags(np.full(100, 0.5), vocabulary, count=100).general] == list(names)


def test_specific_tags_come_in_the_order_asked_for_however_improbable() -> None:
    assert specific_tags(PROBABILITIES, HATS, ["explicit", "Hat", "explicit"]) == (
        Tag("explicit", 0.01, "rating"),
        Tag("hat", 0.5, "general"),
        Tag("explicit", 0.01, "rating"),
    )
    assert specific_tags(PROBABILITIES, HATS, []) == ()


def test_specific_tags_may_be_spelled_with_underscores() -> None:
    vocabulary = Vocabulary(("long hair", "short hair"), ("general", "general"))
    assert specific_tags([0.1, 0.2], vocabulary, ["Short_Hair"])[0].probability == 0.2


def test_an_unknown_specific_tag_is_named_with_near_ones() -> None:
    with pytest.raises(TagError, match=r"none of the 9 tags is 'smiel'; did you mean 'smile'\?"):
        specific_tags(PROBABILITIES, HATS, ["hat", "smiel"])
    with pytest.raises(TagError, match=r"is '绘'$"):
        specific_tags(PROBABILITIES, HATS, ["绘"])


def test_a_name_in_two_categories_means_the_later_one() -> None:
    vocabulary = Vocabulary(("black rock shooter",) * 2, ("character", "copyright"))
    assert specific_tags([0.1, 0.2], vocabulary, ["black rock shooter"])[0].category == "copyright"
    assert len(top_tags([0.1, 0.2], vocabulary).character) == 1


def test_own_categories_are_listed_only_where_they_have_tags() -> None:
    vocabulary = Vocabulary(("hat", "saito", "scan"), ("general", "artist", "meta"))
    tags = plausible_tags([0.9, 0.8, 0.1], vocabulary)
    assert tags.to_dict() == {
        "general": [("hat", 0.9)],
        "character": [],
        "copyright": [],
        "rating": [],
        "artist": [("saito", 0.8)],
    }


def test_probabilities_may_come_straight_from_a_network() -> None:
    output = np.array(PROBABILITIES, np.float32).reshape(-1, 1, 1)
    tags = plausible_tags(output, HATS)
    assert [tag.name for tag in tags.general] == ["smile", "hat"]
    assert all(type(tag.probability) is float for tag in tags.rating)


@pytest.mark.parametrize("shape", [(8,), (10,), (1, 9), (2, 9), (9, 2), ()])
@pytest.mark.parametrize("choose", [plausible_tags, top_tags, lambda p, v: specific_tags(p, v, ["hat"])])
def test_another_number_of_probabilities_is_refused(shape: tuple[int, ...], choose: object) -> None:
    with pytest.raises(TagError, match=r"9 tags need probabilities of shape \(9,\)"):
        choose(np.zeros(shape), HATS)  # type: ignore[operator]


@given(
    entries=st.lists(st.tuples(st.sampled_from(CATEGORIES), st.floats(0, 1, width=32)), max_size=60),
    threshold=st.floats(0, 1),
    count=st.integers(0, 70),
)
def test_every_choice_agrees_with_its_definition(
    entries: list[tuple[str, float]], threshold: float, count: int
) -> None:
    names = tuple(f"tag {number}" for number in range(len(entries)))
    vocabulary = Vocabulary(names, tuple(category for category, _ in entries))  # type: ignore[misc]
    probabilities = [probability for _, probability in entries]
    plausible, top = (
        plausible_tags(probabilities, vocabulary, threshold=threshold),
        top_tags(probabilities, vocabulary, count=count),
    )
    for category in CATEGORIES:
        mine = [
            Tag(names[i], probability, category)
            for i, (of, probability) in enumerate(entries)
            if of == category
        ]
        ranked = sorted(mine, key=lambda tag: -tag.probability)
        above = [tag for tag in ranked if tag.probability > threshold or category == "rating"]
        assert getattr(plausible, category) == tuple(above)
        assert getattr(top, category) == tuple(ranked if category == "rating" else ranked[:count])


def test_a_caption_has_what_is_drawn_but_no_rating() -> None:
    tags = plausible_tags(PROBABILITIES, HATS)
    assert caption(tags) == "smile, hat, rin, vocaloid"
    assert caption(ImageTags()) == ""


def test_a_vocabulary_knows_where_its_categories_are() -> None:
    assert len(HATS) == 9
    assert HATS.positions("rating").tolist() == [4, 6, 7]
    assert HATS.positions("meta").tolist() == []


def test_the_place_of_a_category_is_its_number_on_disk() -> None:
    assert CATEGORIES == ("general", "character", "copyright", "rating", "artist", "meta")


@pytest.mark.parametrize(
    ("names", "categories", "message"),
    [
        (("a",), (), "1 tag names, but 0 categories"),
        (("a",), ("species",), "category 'species' is unknown"),
        (("a", "b", "a"), ("general",) * 3, "tag 'a' occurs more than once in category general"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(
    names: tuple[str, ...], categories: tuple[str, ...], message: str
) -> None:
    with pytest.raises(TagError, match=message):
        Vocabulary(names, categories)  # type: ignore[arg-type]


@pytest.mark.parametrize("thresholds", [np.zeros((8, 3), np.float32), np.zeros((9, 2), np.float32)])
def test_thresholds_must_fit_the_vocabulary(thresholds: NDArray[np.float32]) -> None:
    with pytest.raises(TagError, match=r"9 tags need \(9, 3\)"):
        HATS.with_thresholds(thresholds)


def test_vocabularies_with_the_same_tags_are_equal_and_usable_as_keys() -> None:
    assert with_thresholds(1, 2, 3) == HATS
    assert hash(with_thresholds(1, 2, 3)) == hash(HATS)


@pytest.mark.parametrize("name", ["Long_Hair", " long  hair", "long hair", "LONG__hair_"])
def test_a_tag_has_one_spelling(name: str) -> None:
    assert normalise_tag(name) == "long hair"


# Those of the WD taggers' lists, and some of Danbooru's.
@pytest.mark.parametrize(
    "face",
    [
        *("0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9"),
        *(">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||", ";_;", "=_o", "._o"),
        *("u_o", "w_w", "c_c", "9_9", "e_e", "z_z", "ಠ_ಠ", "-_-", "^o^", "\\m/"),
    ],
)
def test_the_underscores_of_a_face_are_part_of_it(face: str) -> None:
    assert normalise_tag(face) == face
    assert normalise_tag(f" {face.upper()} ") == face
    assert normalise_tag(normalise_tag(face)) == face


#: Faces in the tag lists of WD taggers, which keep their underscores there.
WD_FACES = "0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x |_| ||_|| -_- ;_;"


@pytest.mark.parametrize("name", [*WD_FACES.split(), "don't, ok", "a, b", '"x"', "\\m/"])
def test_a_tag_of_signs_is_stored_and_asked_for_as_it_is_spelled(name: str) -> None:
    assert normalise_tag(name) == name
    for term in (TagTerm(name), TagTerm(name, excluded=True)):
        assert parse_tags(str(term)) == (term,)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    condition = parse_condition(f'tag = "{quoted}" or score > 5')
    assert getattr(condition, "parts")[0].values == (name,)  # noqa: B009 - of one of two classes
