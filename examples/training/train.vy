# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Softmax regression on the chain: the loop of model/regression.py in fixed point
@license Apache-2.0
@notice Here to be measured, not to be used: it shows what the same training would cost as a smart contract.
@dev Numbers are signed, with 64 bits behind the point. Arithmetic is unchecked wherever the ranges of standardised features
    and of weights below 2**32 leave room, which only makes this side of the comparison cheaper.
"""

CLASSES: constant(uint256) = 3
FEATURES: constant(uint256) = 5  # the last one is 1 and carries the bias
MAX_ROWS: constant(uint256) = 120
MAX_EPOCHS: constant(uint256) = 1000

POINT: constant(uint256) = 64
ONE: constant(int256) = 2**64
LN_2: constant(int256) = 12786308645202655660
HALF_LN_2: constant(int256) = 6393154322601327830

# @notice By class, then by feature.
weights: public(int256[FEATURES][CLASSES])


@external
def train(rows: DynArray[int256[FEATURES], MAX_ROWS], labels: DynArray[uint256, MAX_ROWS], epochs: uint256, rate: int256):
    """
    @notice Goes on from the stored weights.
    @param rows Standardised features.
    @param labels A class for each row.
    @param epochs Steps down the gradient over all rows.
    @param rate Learning rate.
    """
    assert len(rows) == len(labels) and len(rows) > 0, "train: rows"
    weights: int256[FEATURES][CLASSES] = self.weights
    step: int256 = rate // convert(len(rows), int256)
    for epoch: uint256 in range(epochs, bound=MAX_EPOCHS):
        gradient: int256[FEATURES][CLASSES] = empty(int256[FEATURES][CLASSES])
        for index: uint256 in range(len(rows), bound=MAX_ROWS):
            row: int256[FEATURES] = rows[index]
            errors: int256[CLASSES] = self._probabilities(weights, row)
            errors[labels[index]] = unsafe_sub(errors[labels[index]], ONE)
            for kind: uint256 in range(CLASSES):
                for feature: uint256 in range(FEATURES):
                    gradient[kind][feature] = unsafe_add(
                        gradient[kind][feature], unsafe_mul(errors[kind], row[feature]) >> POINT
                    )
        for kind: uint256 in range(CLASSES):
            for feature: uint256 in range(FEATURES):
                weights[kind][feature] = unsafe_sub(
                    weights[kind][feature], unsafe_mul(step, gradient[kind][feature]) >> POINT
                )
    self.weights = weights


@internal
@pure
def _probabilities(weights: int256[FEATURES][CLASSES], row: int256[FEATURES]) -> int256[CLASSES]:
    scores: int256[CLASSES] = empty(int256[CLASSES])
    highest: int256 = min_value(int256)
    for kind: uint256 in range(CLASSES):
        score: int256 = 0
        for feature: uint256 in range(FEATURES):
            score = unsafe_add(score, unsafe_mul(weights[kind][feature], row[feature]) >> POINT)
        scores[kind] = score
        highest = max(highest, score)
    total: int256 = 0
    for kind: uint256 in range(CLASSES):
        scores[kind] = self._exponential_of_negated(unsafe_sub(highest, scores[kind]))
        total = unsafe_add(total, scores[kind])
    for kind: uint256 in range(CLASSES):
        scores[kind] = unsafe_div(scores[kind] << POINT, total)
    return scores


@internal
@pure
def _exponential_of_negated(x: int256) -> int256:
    """
    @dev e**-x for x >= 0 is 2**-k * e**r with |r| <= ln(2) / 2; nine terms of the series of e**r leave an error below 1e-11.
    """
    k: int256 = unsafe_div(unsafe_add(x, HALF_LN_2), LN_2)
    r: int256 = unsafe_sub(unsafe_mul(k, LN_2), x)
    y: int256 = ONE // 362880
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 40320)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 5040)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 720)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 120)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 24)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 6)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE // 2)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE)
    y = unsafe_add(unsafe_mul(y, r) >> POINT, ONE)
    return y >> convert(k, uint256)
