"""Run folders, live displays and interrupts."""
