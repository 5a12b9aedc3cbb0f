"""How people see a pipeline: its analysis, its picture, its progress. One file per way of drawing."""
