"""The core of the recall lab: everything between raw exposure logs and measured recall lists. Knows no Streamlit."""

__version__ = "0.1.0"
