"""How the pages are built."""

from importlib.metadata import version as installed_version

project = "graphpool"
author = "the graphpool authors"
version = release = installed_version("graphpool")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "graphpool"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the Args sections say it in words
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    # the inner life of AffinityState, which layers pass on and users need not open
    "exclude-members": "training, extra_repr, start, mean_rows, is_initial, merge, take, num_columns, mean, vote",
}
napoleon_use_ivar = True
napoleon_attr_annotations = False
nitpick_ignore_regex = [("py:.*", ".*")]
