"""What follows from what, on one page: topic → reactions.

The first file to read. Rooms write topics to the outbox in the transaction of the change; the engine runs the reactions listed
here, in this order, in the transaction that marks the message handled. Reactions write rows; deliveries and external steps, which
they may create, are the only places where the world is touched.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from app.reactions import (
    calling,
    customers,
    drilling,
    ending,
    holding,
    listening,
    outside,
    owing,
    readiness,
    reporting,
    risking,
    running,
    warning,
    watching,
)
from app.reactions.context import Reaction, ReactionToMany

REACTIONS: Final[Mapping[str, Sequence[Reaction]]] = {
    # from monitoring
    "signal.received": (listening.correlate,),
    "problem.quiet": (listening.end_quiet,),
    "window.ended": (listening.look_at_window,),
    "signal.recovered": (calling.say_recovered,),
    "incident.recurred": (calling.page_for_new_occurrence,),
    # the life of an incident
    "incident.detected": (
        calling.call_reporting_chain, calling.start_by_itself, calling.look_for_warning,
        watching.go_on_with_self_test,
    ),
    "incident.assessed": (calling.call_for_new_level, calling.start_by_itself, calling.look_for_warning),
    "incident.activated": (running.form_command_post, running.start_plan, owing.owe_update, reporting.owe_report),
    "incident.releveled": (
        calling.call_for_new_level, calling.start_by_itself, running.form_command_post, running.revise_plan,
        owing.owe_update, reporting.owe_report, calling.look_for_warning,
    ),
    "incident.closed": (
        ending.withdraw_everything, ending.release_resources, owing.owe_review, reporting.owe_final_report,
        ending.tell_those_told, ending.open_review,
        risking.withdraw_assessments,
        drilling.end_with_incident, warning.free_indicator,
    ),
    "incident.reopened": (
        owing.withdraw_duties, calling.call_reporting_chain, running.start_plan, owing.owe_update,
        reporting.owe_report,
    ),
    "incident.cancelled": (
        ending.withdraw_everything, ending.release_resources, owing.withdraw_duties, ending.tell_those_told,
        ending.pass_on_merged, drilling.end_with_incident, risking.withdraw_assessments,
        warning.free_indicator,
    ),
    "incident.merged": (ending.take_in_merged,),
    "incident.reviewed": (ending.publish_review, owing.settle_review, readiness.note_found_wanting),
    "incident.plan_moved": (running.form_command_post, running.take_up_revision, owing.rearm_update, reporting.owe_report),
    # being reached
    "incident.acknowledged": (calling.stop_calling, calling.expect_deeds),
    "round.acknowledged": (calling.note_answer, calling.expect_deeds),
    "incident.declined": (calling.pass_on,),
    "round.declined": (calling.note_decline,),
    "others.asked": (calling.call_others,),
    "answer.due": (calling.look_for_deeds,),
    "acknowledgement.lapsed": (calling.call_reporting_chain, calling.leave_out_who_gave_it_back),
    "rung.due": (calling.tell_next_rung,),
    "rung.told": (calling.note_rung,),
    "rung.not_enrolled": (calling.note_not_enrolled,),
    "chain.lap": (calling.note_lap,),
    "chain.nobody": (calling.note_nobody,),
    "delivery.dead": (calling.note_dead_delivery, outside.lose_no_time),
    "digest.due": (calling.tell_digest,),
    "people.changed": (
        running.refresh_members, calling.leave_out_who_cannot_be_called, calling.call_those_now_known,
    ),
    "chain.passed_over": (calling.pass_over,),
    # warnings, before there is an incident
    "indicator.wake": (warning.look_at_indicator,),
    "indicator.silent": (warning.tell_of_silence,),
    "indicator.heard": (warning.tell_of_silence,),
    "indicator.freed": (warning.warn_again,),
    "warning.raised": (warning.tell_of_colour,),
    "warning.rose": (warning.tell_of_colour,),
    "warning.fell": (warning.tell_of_less,),
    "warning.unanswered": (warning.ask_further_up,),
    "warning.ended": (warning.tell_of_end,),
    "notice.acknowledged": (warning.note_answer,),
    # facts and levels
    "facts.changed": (running.look_at_waits, calling.start_by_itself, calling.look_for_warning),
    "incident.warned": (calling.tell_of_warning,),
    "level.suggested": (calling.suggest_level,),
    # the run
    "step.wake": (running.wake_step,),
    "step.again": (running.try_step_again,),
    "step.timeout": (running.time_out_step,),
    "run.stopped": (running.say_run_stopped,),
    "task.given": (running.hand_over_task,),
    "task.done": (running.go_on_after_task,),
    "task.waived": (running.go_on_after_task,),
    "task.declined": (running.go_on_after_task,),
    "task.due": (running.chase_task,),
    "decision.asked": (running.put_question,),
    "decision.made": (running.go_on_after_decision, holding.follow_decision),
    "decision.due": (running.chase_question,),
    # customers
    "announcement.written": (customers.ask_approval,),
    "announcement.published": (customers.tell_outlets, outside.ask_parties),
    "feedback.owed": (customers.tell_who_owes,),
    "feedback.overdue": (customers.escalate,),
    # parties outside
    "party.silent": (outside.go_on_without_answer,),
    "party.unanswered": (outside.tell_contract_owner,),
    "party.answered": (outside.pass_answer_on,),
    # what is held
    "reservation.made": (holding.keep_time,),
    "reservation.extended": (holding.keep_time, holding.note_extension),
    "reservation.released": (holding.note_release,),
    "reservation.failed": (holding.tell_who_holds_it,),
    "reservation.ending": (holding.ask_whether_to_extend,),
    "reservation.ended": (holding.end_lease,),
    "reservation.late": (holding.give_back_late,),
    "reservation.short": (holding.look_for_less_grave,),
    "reservation.preempted": (holding.tell_who_lost,),
    # duties
    "update.posted": (owing.pass_update_on,),
    "update.given": (owing.post_update,),
    "obligation.reminder": (owing.remind,),
    "obligation.due": (owing.escalate_missed,),
    # readiness
    "duty.due": (readiness.tell_owner,),
    "duty.overdue": (readiness.tell_owner_again,),
    "handover.due": (readiness.tell_handover,),
    "check_ins.due": (readiness.tell_check_ins,),
    "improvement.overdue": (readiness.chase_improvement,),
    "stock.low": (readiness.ask_replenishment,),
    "plan.enforced": (running.refresh_members, risking.fill_register),
    "stocktake.due": (readiness.ask_for_a_look,),
    "check.due": (readiness.ask_for_a_look,),
    "stock.expiring": (readiness.tell_expiry,),
    "stock.expired": (readiness.tell_expiry,),
    "plan.outlook_worsened": (watching.say_plan_would_fail,),
    "plan.revision_due": (readiness.remind_of_revision,),
    # risks
    "risk.review_due": (risking.make_review_a_duty,),
    "risk.review_overdue": (risking.escalate_review,),
    "assessment.asked": (risking.ask_assessors,),
    "assessment.reminder": (risking.remind_assessors,),
    # drills
    "drill.briefed": (drilling.brief,),
    "drill.reminder": (drilling.remind,),
    "drill.called_off": (drilling.call_off,),
    "drill.inject": (drilling.let_happen,),
    "drill.time_is_up": (drilling.end_on_time,),
    "drill.ended": (drilling.take_figures,),
    "drill.closed": (drilling.open_improvements,),
    "drill.year_over": (drilling.look_at_year,),
    # the product itself
    "self_test.due": (watching.send_self_test,),
    "self_test.received": (watching.end_self_test,),
    "self_test.late": (watching.say_self_test_is_late,),
    "channel.failing": (watching.say_channel_fails,),
    "channel.working": (watching.say_channel_works,),
}  # fmt: skip

# Topics that come by the thousand: a reaction to many messages of one transaction, which does what REACTIONS does to each.
TOGETHER: Final[Mapping[str, ReactionToMany]] = {"signal.received": listening.correlate_all}

# Told to the stream of changes, and to nobody else.
NOBODY_CARES: Final = frozenset(
    {
        "incident.response_started", "incident.recovering", "task.started", "run.done",
        "announcement.ended", "announcement.withdrawn", "meeting.called", "meeting.moved", "meeting.cancelled",
        "meeting.minuted", "report.written", "report.approved", "report.rejected", "report.sent", "report.oral",
    }
)  # fmt: skip
