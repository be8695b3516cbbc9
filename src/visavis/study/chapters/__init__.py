"""Further evidence of a study, one file a chapter; chapter.py says what a chapter is, write.py which there are."""
