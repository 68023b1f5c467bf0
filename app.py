"""The lab: `streamlit run app.py` imports this file to serve it, and runs it to draw the first page, the Overview."""

import streamlit as st

from lab import access, gate

if __name__ == "__main__":
    from lab import overview  # here: what its modules remember needs a server that runs

    overview.main()
else:
    access.end_if_refused()
    app = st.App(__file__, middleware=gate.layers())
