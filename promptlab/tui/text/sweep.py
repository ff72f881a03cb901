"""What is said of a sweep: the ladder and its measures."""

from __future__ import annotations

EN: dict[str, str] = {
    "answers": "answers",
    "measured_none": "measures come as answers end",
    "measured_not": "only a sweep is measured: sweep before the targets, as in sweep -m local -t 0.2,1.3 -n 3",
    "measured_of": "measured: {count} of {all}",
    "rung_more": "+{count} more",
    "rungs_above": "↑ {count}",
    "rungs_below": "↓ {count}",
    "found_more": "… {count} more lines: tab, M",
    "measures_foot": "esc closes this",
    "k_measures": "Measures",
    "h_measures": "All measures of a sweep as a table, with plots and findings",
    "best_marked": "★ pane {pane} is marked as the best",
    "best_unmarked": "no pane is marked as the best any more",
    "best_none": "there is no answer to mark yet",
    "best_unsaved": "a run that is not kept can't be marked",
    "best_other": "this pane is of another run",
    "k_best": "Best",
    "h_best": "Mark this answer as the best of its run, or take the mark back",
    "k_open": "Open",
    "h_open": "Open what is chosen in the ladder; elsewhere: to the editor",
}

ZH: dict[str, str] = {
    "answers": "回答",
    "measured_none": "有回答结束后即显示指标",
    "measured_not": "只有扫描才有指标：在模型前写 sweep，如 sweep -m local -t 0.2,1.3 -n 3",
    "measured_of": "已测量：{count}/{all}",
    "rung_more": "还有 {count}",
    "rungs_above": "↑ {count}",
    "rungs_below": "↓ {count}",
    "found_more": "… 还有 {count} 行：按 tab, M",
    "measures_foot": "esc 关闭",
    "k_measures": "指标",
    "h_measures": "扫描的全部指标：表格、图和结论",
    "best_marked": "★ 第 {pane} 格已标为最佳",
    "best_unmarked": "已取消最佳标记",
    "best_none": "还没有可标记的回答",
    "best_unsaved": "未保存的运行不能标记",
    "best_other": "这一格属于另一次运行",
    "k_best": "最佳",
    "h_best": "把此回答标为本次运行的最佳，再按取消",
    "k_open": "打开",
    "h_open": "打开梯形视图中选中的一格；在别处：回到编辑框",
}
