"""The program, and what is claimed of Fleet, on real API servers with Fleet's own controllers and real traffic."""

import pytest

pytest.register_assert_rewrite("tests.conformance.fleet")  # a failing `eventually` says what it saw
