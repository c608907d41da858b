"""``python -m i2v_search`` is ``i2v-search``."""

from i2v_search.cli.main import main

if __name__ == "__main__":
    main()
