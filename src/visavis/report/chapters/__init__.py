"""The report's chapters: one file and one template each, named as the chapter of the study whose tables they show."""
