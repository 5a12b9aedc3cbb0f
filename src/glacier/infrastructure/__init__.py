"""What each cloud must hold for a pipeline: its needs made a blueprint. A package per cloud; none imports another."""
