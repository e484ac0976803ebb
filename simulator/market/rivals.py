"""The quality of rivals' shops in the scores they set.

symbol   meaning                                                unit
s        service score of a shop 体验分                          1..5
q        factor of a score, exp(0.6 (s - 4.6))                  1
w, w0    share of rivals above 4.8, now and when prices were measured
ln q_r   shift of the log of the best rival's score              1

A rival's score is its bid times its q. Rivals are of two kinds: a share w has the score s1 (above 4.8), the rest
s0. The best rival's score is then a mixture of two log-normals, 0.6 (s1 - s0) apart in the logarithm. It is taken
as one log-normal with the same mean of the logarithm, which moves by ln q_r = 0.6 (w - w0) (s1 - s0), and with the
spread it had: the mixture's is wider by 0.36 w (1 - w) (s1 - s0)^2, about 2% of a variance of 0.64.
"""

from typing import Any

PER_POINT = 0.6
USUAL = 4.6


def ln_quality(score: Any) -> Any:
    """Log of the factor of a service score in auctions.

    >>> round(ln_quality(4.8), 6)
    0.12
    """
    return PER_POINT * (score - USUAL)


def ln_rivals(above: Any, measured: Any, high: Any, low: Any) -> Any:
    """How far rivals' scores have moved since prices were measured: ln q_r.

    >>> round(ln_rivals(0.36, 0.30, 4.9, 4.5), 6)
    0.0144
    """
    return (above - measured) * (ln_quality(high) - ln_quality(low))
