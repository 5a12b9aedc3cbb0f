"""What a container runs in a cloud: `python -m glacier.runtime`, one stage of one run of a pipeline."""
