"""Learn: the story of recall on the bundled demo, lesson by lesson, and the mistakes of the published recipe."""

import streamlit as st

from lab import frame
from lab.glossary import CONCEPTS
from lab.language import t
from lab.learn_lessons import lessons
from lab.learn_mistakes import mistakes
from lab.learn_parts import announce, announce_in_pairs

_CHAPTER = "https://github.com/datawhalechina/fun-rec"


def main() -> None:
    frame.start("Learn")
    st.title(t("Learn"))
    st.markdown(
        t(
            "Recall picks some fifty articles out of all for each user. What makes it good or bad is shown on the "
            "bundled demo: every figure is computed here and now, so turn the knobs."
        )
    )
    with frame.plain_errors():
        # all that is read stands at once, and the figures come in one after the other
        places = [(lesson, announce(lesson)) for lesson in lessons()]
        st.header(t("Mistakes of the published recipe"))
        st.markdown(
            t(
                "The recipe that this lab starts from is the chapter on two-tower recall of [fun-rec]({link}), which "
                "has taught many. These are its slips, each with what it does to a number and the right way beside it.",
                link=_CHAPTER,
            )
        )
        places += announce_in_pairs(mistakes())
        show_glossary()
        for lesson, place in places:
            with place.container():
                lesson.show()


def show_glossary() -> None:
    st.header(t("Glossary"), divider="gray")
    for name, concept in sorted(CONCEPTS.items(), key=lambda item: item[0].lower()):
        st.markdown(f"**{t(name)}** · {t(concept.text)} ([{concept.source}]({concept.link}))")


main()
