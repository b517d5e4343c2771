"""The embedding pass of PinSageKit on Apache Spark: each vector of each layer computed once, by the package's own C kernels.

`kernels` calls them; `model` reads what `pinsage-cli train` wrote; `vectors` is how rows travel; `stages` are the functions that run on executors;
`sources` are where inputs and neighborhoods come from; `embedding` puts the stages together on the driver; `collection` makes one array of what
they wrote.
"""

__all__ = ["PinSageSparkError"]
__version__ = "0.1.0"


class PinSageSparkError(Exception):
    """Data or settings that cannot work: what was expected, what was found, and where."""
