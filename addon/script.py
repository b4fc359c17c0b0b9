"""What `mitmdump -s` is given."""

from addon.hooks import Nearfetch

addons = [Nearfetch()]
