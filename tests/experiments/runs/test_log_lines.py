from __future__ import annotations

import logging

from experiments.runs.log_lines import forward_log


def test_messages_are_said_within_the_block_only():
    said = []
    logger = logging.getLogger("forward_log_test.pool")
    logger.info("before")
    with forward_log("forward_log_test", said.append):
        logger.info("the cluster holds %d", 3)
        logger.debug("nothing to say")
        logger.warning("the cluster is pending")
    logger.info("after")
    assert said == ["the cluster holds 3", "warning: the cluster is pending"]
    assert logging.getLogger("forward_log_test").handlers == []


def test_a_logger_that_somebody_has_set_up_is_left_alone():
    said = []
    logger = logging.getLogger("forward_log_other")
    logger.setLevel(logging.ERROR)
    with forward_log("forward_log_other", said.append):
        logger.error("text")
    assert said == []
    assert logger.level == logging.ERROR


def test_a_display_that_fails_stops_nobody(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def fail(text):
        raise OSError(text)

    with forward_log("forward_log_broken", fail):
        logging.getLogger("forward_log_broken").warning("text")
