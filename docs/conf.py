"""Sphinx: Markdown by MyST, looks by Furo; nothing is loaded from elsewhere."""

project = "streamdl"
author = "the streamdl authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # pages of rules start with a title line, then tables
html_theme = "furo"
html_title = "streamdl"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_show_sphinx = html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {
        "font-stack": "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif",
        "color-brand-primary": "#0072B2",
        "color-brand-content": "#0072B2",
    },
    "dark_css_variables": {
        "color-brand-primary": "#56B4E9",
        "color-brand-content": "#56B4E9",
    },
}
