"""Names that users choose from. Commands list them in their --help, so that this module imports nothing."""

DTYPES = ("auto", "float32", "bfloat16", "float16")
COCO_ENGINES = ("auto", "own", "pycocotools", "faster-coco-eval")
MAPPING_RULES = ("hungarian", "hungarian+argmax", "vote")
NO_MAPPING = "none"
FIT_ON = ("held-out", "scored")  # photos that a mapping is fitted on
COMPARISON_SAMPLES = 1000  # resamplings of a comparison that names no number of them
