"""i2v-search in Krita: a docker with pictures like the canvas."""

from importlib.util import find_spec

if find_spec("krita") is not None:  # in tests there is no Krita
    from krita import DockWidgetFactory, DockWidgetFactoryBase, Krita

    from i2v_search_docker.docker import SearchDocker

    Krita.instance().addDockWidgetFactory(
        DockWidgetFactory("i2v_search", DockWidgetFactoryBase.DockRight, SearchDocker)
    )
