"""What votes tell, in Chinese, by its English form (`analysis.preference`, `ranking`, `hearing`, `render.preference`),
and why there are none to be cast."""

from __future__ import annotations

ZH: dict[str, str] = {
    # who voted, and how often
    "no votes yet": "还没有投票",
    "your votes": "你的投票",
    "you": "你",
    "votes of {voter}{several}{about}": "{voter} 的投票{several}{about}",
    " ({count} voters as if they were one)": "（{count} 位合为一位）",
    ' by "{criteria}"': "，按“{criteria}”",
    "{count} vote": "{count} 票",
    "{count} votes": "{count} 票",
    "{count} more vote": "{count} 票",
    "{count} more votes": "{count} 票",
    "{count} prompt": "{count} 个提示词",
    "{count} prompts": "{count} 个提示词",
    "{count} pair": "{count} 对",
    "{count} pairs": "{count} 对",
    "{count} tie": "平 {count} 票",
    "{count} ties": "平 {count} 票",
    "{count} both bad": "都不好 {count} 票",
    "{ties} and {bad}": "{ties}、{bad}",
    "{count} skipped": "跳过 {count} 组",
    "{count} without a verdict": "{count} 组没有裁决",
    "{count} set aside": "搁置 {count} 票",
    "{votes} on {prompts}": "{prompts}，{votes}",
    "{said}, {others} among them": "{said}，其中{others}",
    "{said}; not counted: {rest}": "{said}；不计入：{rest}",
    "{said}; {seconds} for a vote (median)": "{said}；每票用时 {seconds}（中位数）",
    # the table
    "pair": "对阵",
    "wins": "胜",
    "ties": "平",
    "rate, ties aside": "胜率（不计平）",
    "votes left": "还需票数",
    "longer won": "较长者胜",
    "at equal length": "长度相同时",
    "length {length} on average": "平均长度 {length}",
    "{ties}+{bad} bad": "{ties}+{bad} 都不好",
    "settled": "已定",
    "{won} of {of}": "{won}/{of}",
    "no room for {columns}: widen the terminal": "放不下：{columns}。请加宽终端",
    # a pair in a sentence
    "{a} and {b}: no votes yet": "{a} 与 {b}：还没有投票",
    "{a} and {b}: {others} and no preference, so that there is nothing to test":
        "{a} 与 {b}：{others}，没有分出高下，无从检验",
    " with {others}": "（另{others}）",
    "{won} : {lost}{within}": "{won} : {lost}{within}",
    "{a} and {b} are level at {score}": "{a} 与 {b} 持平，{score}",
    "{a} is preferred to {b}, {score}": "{a} 优于 {b}，{score}",
    "{a} is preferred {score}": "{a} 领先，{score}",
    "{a} is preferred to {b}": "{a} 优于 {b}",
    "{said}; {tested}; {settled}": "{said}；{tested}；{settled}",
    "{p} (corrected by Holm for {tests} pairs)": "{p}（按 {tests} 对作 Holm 校正）",
    "{p} over {prompts} prompts ({alone} for these prompts alone)":
        "{p}，按 {prompts} 个提示词计（仅就这些提示词为 {alone}）",
    "{p} for this one prompt": "{p}，仅就这一个提示词",
    "settled, if this is the only look": "若只看这一次，已可定",
    "no number of votes would settle it at this rate": "照此比例，再多票也定不了",
    "more than {most} more votes{new} would be needed at this rate": "照此比例，{new}还需超过 {most} 票",
    "about {votes}{new} would settle it at this rate": "照此比例，{new}约再投 {votes}可定",
    " on new prompts": "用新的提示词",
    "looked at after every vote, the evidence is {odds} to 1": "若每投一票就看一次，证据为 {odds} 比 1",
    "over 1,000": "1,000 以上",
    "{said}: settled, whenever you stop": "{said}：已定，随时可停",
    "{said}, and {needed} to 1 settles it, whenever you stop": "{said}，达到 {needed} 比 1 即可定，随时可停",
    "the lengths tell nothing: unknown, equal, or no vote was decided":
        "从长度看不出什么：长度未知、相同，或没有一票分出高下",
    "the longer answer won in {won} of {of}; {p}": "{of} 票中有 {won} 票是较长的回答胜出；{p}",
    "{said}; at equal length {a} would win {rate} [{low}, {high}], ties as halves":
        "{said}；若长度相同，{a} 的胜率为 {rate} [{low}, {high}]，平票各算一半",
    "… and {count} more pairs: the table has them": "……另有 {count} 对，见表",
    # the ranking, and who met whom
    "place": "名次",
    "strength": "强度",
    "won-lost-tied": "胜-负-平",
    "ranking: strength in log-odds against the average arm, with 95% intervals":
        "排名：强度是相对平均水平的对数几率，附 95% 区间",
    "{said}; this group alone": "{said}；仅限这一组",
    "who met whom: wins of the row : wins of the column (ties); · never":
        "谁与谁比过：行胜 : 列胜（平）；· 没有比过",
    "{met} of {all} pairs were compared": "{all} 对中比过 {met} 对",
    "no ranking holds all: these were never compared, not even through others: {groups}. Each group stands by itself; "
    "{votes} would connect them":
        "排不出总名次：以下各组之间从未比较，也没有间接比较：{groups}。各组单独排名；{votes}即可连通",
    "a vote on each of {pairs}": "给 {pairs} 各投一票",
    "one vote on {pairs}": "给 {pairs} 投一票",
    "{a} with {b}": "{a} 对 {b}",
    # what must be known of them
    "{count} pairs are looked at: p is corrected by Holm, the bound at any time by Bonferroni":
        "共看 {count} 对：p 作 Holm 校正，随时可看的界限作 Bonferroni 校正",
    "the exact test settles what the places of the ranking leave open: {told}": "名次未定，但精确检验已可定：{told}",
    "{votes} is flagged: an answer speaks to the judge, or the like": "{votes}带标记：有回答对评审说话，或类似情形",
    "{votes} are flagged: an answer speaks to the judge, or the like": "{votes}带标记：有回答对评审说话，或类似情形",
    "{votes} had something in sight that could have given an arm away, and counts all the same":
        "{votes}的回答中有可能泄露身份的内容，仍计入",
    "{votes} had something in sight that could have given an arm away, and count all the same":
        "{votes}的回答中有可能泄露身份的内容，仍计入",
    "{votes} was not wholly blind, for whose answer it was had been told before, and counts all the same":
        "{votes}不是完全盲投，先前已揭晓过是谁的回答，仍计入",
    "{votes} were not wholly blind, for whose answer it was had been told before, and count all the same":
        "{votes}不是完全盲投，先前已揭晓过是谁的回答，仍计入",
    "promptlab rank --votes lists all votes with what was in sight, --aside N sets one aside":
        "promptlab rank --votes 列出每一票及当时所见，--aside N 可搁置一票",
    "{turned} of {votes} verdicts turned with the order": "{votes} 个裁决中有 {turned} 个随顺序翻转",
    "among {arms}: {note}": "{arms} 之间：{note}",
    "between equals the one on the left would win {share}": "不相上下时，左边的胜率为 {share}",
    "between equals an answer twice as long as the other would win {share}": "不相上下时，长一倍的回答胜率为 {share}",
    "all votes are on one prompt: they tell nothing of others": "所有票都投在同一个提示词上，不能推及其他提示词",
    "{unknown} of {all} votes are left out: their lengths are not known": "{all} 票中有 {unknown} 票略去：长度未知",
    "the side is not in the model: the votes can't tell it from the arms":
        "模型没有计入左右位置：从这些票分不开位置与优劣",
    "{told} of {gaps} gaps are significant after Holm's correction for {gaps} tests":
        "{gaps} 处差距中有 {told} 处显著（按 {gaps} 次检验作 Holm 校正）",
    "{arm} never lost: a weak prior holds its strength finite, no vote bounds it":
        "{arm} 从未输过：强度仅由弱先验约束，票数给不出界限",
    "{arm} never won: a weak prior holds its strength finite, no vote bounds it":
        "{arm} 从未赢过：强度仅由弱先验约束，票数给不出界限",
    "errors are clustered by {groups} prompts": "误差按 {groups} 个提示词聚类",
    "under 10 prompts these intervals are rough": "提示词不足 10 个，区间只是粗略值",
    # a judge beside you
    "{judge}{about} and {own}: {agreed}": "{judge}{about}与{own}：{agreed}",
    "there is no pair that both voted on": "没有双方都投过的",
    "the same on {agreed} of {pairs} that both saw": "双方都看过的 {pairs}中，{agreed} 对一致",
    "{said}; beyond chance nothing can be said: both always said the same one thing":
        "{said}；是否超出偶然无从判断：双方始终只给出同一种结论",
    "{said}; Cohen's kappa {value} [{low}, {high}] (1: always, 0: as chance would)":
        "{said}；Cohen's kappa {value} [{low}, {high}]（1 为始终一致，0 与偶然相当）",
    # nothing to vote on, or to export
    "there is one arm alone, and nothing to compare it with": "只有一种设置，没有可比较的",
    "there are no answers": "没有回答",
    "two of anything: -m a -m b, -t 0.2,1.2, --axis profile=a,b":
        "任一项给两个值：-m a -m b、-t 0.2,1.2、--axis profile=a,b",
    "run {run}: everything that can be compared has a vote": "运行 {run}：可比较的都已投过票",
    "run {run} is the judging of run {judged}": "运行 {run} 是对运行 {judged} 的评审",
    "nobody has voted on run {run}": "运行 {run} 还没有投票",
    "run {run} has votes of {voters}, which are not mixed": "运行 {run} 有 {voters} 的投票，不能混用",
    "--voter says whose": "用 --voter 指明是谁的",
    "{file} is already there": "{file} 已存在",
    "--force replaces it": "请换个文件名，或在命令行用 --force 替换",
    "check the folder and its space": "请检查文件夹与磁盘空间",
}  # fmt: skip
