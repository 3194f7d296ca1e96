"""What the folder of a run shows of it: one file a renderer.

A renderer is a module with a function ``render``. It takes the facts of a report, see `report.facts.Facts`, and returns
the files that it adds to the folder, by name. The same facts give the same bytes. For example, ``sizes.py``::

    def render(facts):
        # The sizes of the front's ensembles.
        sizes = [str(ensemble.size) for ensemble in facts.main.front]
        return {"sizes.txt": ", ".join(sizes).encode()}
"""
