"""The latest word of everything, bounded."""

from vhb_api.live import board as boards
from vhb_api.live.board import Board
from vhb_shared.contracts.live import Notice, ShardProgress
from vhb_shared.contracts.results import OutcomeCounts


def word(shard: int, done: int, job_id: str = "j") -> ShardProgress:
    counts = OutcomeCounts(answered=done)
    return ShardProgress(
        job_id=job_id, run_id="r", shard=shard, attempt=0, done=done, samples=9, counts=counts, agent_id="a"
    )


def test_only_what_is_new_is_told_and_only_the_latest() -> None:
    board = Board()
    for done in range(5):
        for shard in (1, 2):
            board.note(word(shard, done))
    seen = board.version
    assert sorted((each.shard, each.done) for each in board.since("j", 0).progress) == [(1, 4), (2, 4)]
    assert board.since("j", seen).empty
    board.note(word(2, 7))
    board.note(Notice(job_id="j", source="s", message="m"))
    news = board.since("j", seen)
    assert [(each.shard, each.done) for each in news.progress] == [(2, 7)] and len(news.notices) == 1
    assert board.since("another", 0).empty


def test_nothing_grows_without_end() -> None:
    board = Board()
    for shard in range(boards.MOST_THINGS + 10):
        board.note(word(shard, 1))
    for number in range(boards.MOST_NOTICES + 10):
        board.note(Notice(job_id="j", source="s", message=str(number)))
    news = board.since("j", 0)
    assert len(news.progress) == boards.MOST_THINGS and len(news.notices) == boards.MOST_NOTICES
    assert news.notices[-1].message == str(boards.MOST_NOTICES + 9)
    for number in range(boards.MOST_JOBS):
        board.note(word(1, 1, f"job-{number}"))
    assert board.since("j", 0).empty and not board.since("job-0", 0).empty
