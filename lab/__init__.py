"""What the pages share: the frame, figures, tables and readers. Computes nothing about recall itself."""
