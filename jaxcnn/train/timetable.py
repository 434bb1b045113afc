"""What is due at which step of a run: evaluations, log lines, checkpoints, the end."""

import dataclasses

from jaxcnn.config.schema import Config


@dataclasses.dataclass(frozen=True)
class Due:
    """What is to be done once a step has been dispatched."""

    evaluate: bool
    log: bool
    save: bool
    stop: bool  # before the last step, because somebody asked


@dataclasses.dataclass(frozen=True)
class Timetable:
    """The steps at which something is due; all intervals are in steps."""

    eval_every: int
    checkpoint_every: int
    log_every: int
    total_steps: int

    @classmethod
    def of(cls, config: Config, steps_per_epoch: float, total_steps: int) -> "Timetable":
        """The timetable of a run whose `config` gives intervals in epochs, at least one step."""
        return cls(
            eval_every=max(1, round(config.eval_every * steps_per_epoch)),
            checkpoint_every=max(1, round(config.checkpoint_every * steps_per_epoch)),
            log_every=config.log_every,
            total_steps=total_steps,
        )

    def due(self, step: int, *, stopping: bool = False, late: bool = False) -> Due:
        """What is due after `step` steps.

        `stopping`: somebody asked for the end; `late`: the last checkpoint is too long ago. An
        evaluation is logged and followed by a checkpoint, so that its row and its state agree.
        """
        at_end = step == self.total_steps
        evaluate = at_end or step % self.eval_every == 0
        return Due(
            evaluate=evaluate,
            log=evaluate or step % self.log_every == 0,
            save=evaluate or stopping or late or step % self.checkpoint_every == 0,
            stop=stopping and not at_end,
        )

    def stride(self, step: int, most: int) -> int:
        """How many steps go in the next dispatch: `most` if nothing is due within, else one."""
        intervals = (self.eval_every, self.checkpoint_every, self.log_every)
        free = min(*(n - step % n for n in intervals), self.total_steps - step)
        return most if most <= free else 1
