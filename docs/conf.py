"""The site: ``make docs``.

The sources are the whole repository, so that README, the changelog and the published reports are pages too and relative
links work as on GitHub. Neither the build nor a reader's browser fetches anything.
"""

from __future__ import annotations

from docs.address import theme_options
from sb3_ppo_variants import __version__

project = "sb3_ppo_variants"
author = "The sb3_ppo_variants developers"
copyright = author
release = version = __version__

root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "docs/**.rst",
    "benchmarks/README.md",
    "benchmarks/published/**.md",
]
exclude_patterns = ["docs/_build", ".*", "build", "dist", "results", "sb3_ppo_variants", "tests", "examples"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "docs._extensions.mathml",
    "docs._extensions.description",
    "docs._extensions.local_images",
    "docs._extensions.reports",
]

# What GitHub renders: equations between dollars and in fences, and anchors at headings.
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# Extras whose modules are in the reference, and which the site needs for nothing else.
autodoc_mock_imports = ["huggingface_hub", "optuna", "rl_zoo3", "wandb"]
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
python_use_unqualified_type_names = True
# Types in signatures without a page: those of other packages, aliases and names that only type checkers import, and
# private ones.
LIBRARY = (
    "annotated_types|argparse|collections|concurrent|contextlib|inspect|io|multiprocessing|pathlib|pydantic|pydantic_core"
    "|types|yaml"
)
FRAMEWORKS = (
    "gymnasium|markupsafe|matplotlib|np|numpy|optuna|pandas|pd|rich|sb3_contrib|stable_baselines3|th|torch|wandb"
)
AS_WRITTEN = r"_?[A-Z]\w*|[^\[]*\[[^\]]*"
PRIVATE = r"sb3_ppo_variants(\.\w+)+\.(_\w+|T|Key)"
nitpick_ignore_regex = [(r"py:(class|exc|obj)", rf"({LIBRARY}|{FRAMEWORKS})\..*|{AS_WRITTEN}|{PRIVATE}")]

html_theme = "furo"
html_theme_options = theme_options()
html_title = f"sb3_ppo_variants {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_additional_pages = {"index": "to_front_page.html"}
html_show_sourcelink = False
copybutton_prompt_text = "$ "
