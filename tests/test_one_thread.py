from threading import Thread

from threadpoolctl import threadpool_info

from dssm_core.one_thread import one_thread


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info()]


def test_the_body_has_one_thread_and_what_follows_has_as_many_as_before():
    before = threads()
    with one_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_bodies_that_meet_leave_the_threads_as_they_were():
    before = threads()

    def work() -> None:
        for _ in range(20):
            with one_thread():
                pass

    meeting = [Thread(target=work) for _ in range(4)]
    for thread in meeting:
        thread.start()
    for thread in meeting:
        thread.join()
    assert threads() == before
