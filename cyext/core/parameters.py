"""From a parameter's word to what a workload makes of it."""


def one_of(value: object, meanings: "dict[str, object]") -> object:
    """What ``value`` means; `ValueError` where it means nothing.

    Which values a user may ask for is in the probe's declaration alone: this only keeps a workload
    from measuring something else than it was asked for.
    """
    if not isinstance(value, str) or value not in meanings:
        raise ValueError(f"not a value of this parameter: {value!r}")
    return meanings[value]
