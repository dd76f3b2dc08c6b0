from tests.segmentation.evaluation.conftest import roots

__all__ = ["roots"]
