"""What tests of pages use."""

from tests.kit.browser import browser as browser
from tests.kit.browser import page as page
