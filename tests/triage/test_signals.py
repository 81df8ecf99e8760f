"""What raises a signal and what does not. The examples are not the words of the rules put into a row."""

import pytest

from gateway.contract.verdict import Level, Priority
from tests.triage.verdicts import find, find_raised, shipped, tell

RAISED = {
    "fraud_transfer": "半小时前有人冒充公安让我把钱打到安全账户，我已经打了八万，求你们拦一下",
    "unauthorised_transaction": "卡里少了两万，我没有转过账，请马上冻结",
    "card_lost": "手机和卡都在地铁上被偷了，赶紧帮我挂失",
    "self_harm": "你们逼得我走投无路，孩子就拜托你们了，我先走一步",
    "violence_or_danger_onsite": "有个男的拿着刀在你们网点大厅里乱砍",
    "duress": "我被他们关在房间里，逼我转账，不敢打电话",
    "run_or_liquidity_rumour": "门口排了几百人取钱，大家都在挤兑",
    "liquidity_doubt": "都在传你们要倒闭了，存款还安全吗",
    "mass_leak": "你们网站把申请编号加一就能看到别的客户的资料，影响几万人，漏洞现在还在",
    "group_complaint": "我们四十多个储户建了维权群，明天上午到总行门口拉横幅，存款三个月取不出来",
    "account_blocked_essential": "工资卡被冻结，老婆等着交手术费",
    "system_outage": "同一笔话费重复扣款",
    "regulator_threat": "我已经在12378投诉了，编号2026112",
    "media_exposure": "我已经联系了电视台记者，周五就来拍",
    "petition": "我上周已经到省信访局登记了",
    "litigation": "我已经向法院起诉，案号已经下来了",
    "violent_collection": "催收天天打我妈电话，还说要上门泼油漆",
    "data_leak": "我的个人信息被泄露了，骗子能报出我的卡号，我已经报警",
    "staff_crime": "客户经理私自转走我的存款，伪造签名",
    "false_name_loan": "从来没贷过款，征信上有一笔贷款，肯定是冒名",
    "humiliated_vulnerable": "柜员当着大家的面骂我七十八岁的老母亲是老不死的，还把存折扔在地上",
    "repeat_unresolved": "打了好几次电话，没人管",
    "agitated": "你们太过分了",
    "heirs": "父亲过世了，存单怎么处理",
    "suspected_agent": "全权委托我司法务处理停息挂账",
    "vulnerable_elderly": "我今年七十六岁，不会用手机",
    "vulnerable_minor": "孩子才上小学生的年纪，拿我手机打赏",
    "vulnerable_disabled_ill": "我坐轮椅，门口的台阶上不去",
    "special_occupation": "我是律师，请按时答复",
}
NEAR_MISSES = (
    "请马上当面给我解决手续费的问题",
    "跳楼价理财活动是不是真的？",
    "你们的防诈骗讲座很好",
    "咨询一下盗刷险怎么买",
    "急死了，排队两个小时",
    "楼下盲人按摩店的收款码怎么申请",
    "大堂经理态度好，点赞",
    "請問分行營業時間",
    "Can we go through mediation about the annual fee?",
    "The staff were courteous, thank you",
    "كيف يمكنني تفعيل بطاقتي الجديدة؟",
)


def test_every_signal_of_the_rules_has_an_example() -> None:
    assert RAISED.keys() == shipped().signals.keys()


@pytest.mark.parametrize(("name", "text"), RAISED.items())
def test_a_signal_is_raised_by_words_that_mean_it_with_the_priority_of_its_rule(name: str, text: str) -> None:
    signal = find(tell(text), name)
    assert signal is not None
    assert signal.priority is Priority(shipped().signals[name].priority)


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_words_that_only_look_urgent_raise_nothing(text: str) -> None:
    judgement = tell(text)
    assert judgement.verdict.level is Level.NORMAL
    assert find_raised(judgement) == set()


@pytest.mark.parametrize(
    "text",
    [
        "我沒有轉過帳，卡裡少了兩萬，請馬上凍結",
        "我张卡俾人碌咗几千蚊，唔系我",
        "Someone hacked my account and transferred all my money",
        "I just sent 5000 to a man who said he was from your fraud team, please stop it",
        "I cannot go on any more, I will end it tonight",
        "سرق شخص ما بطاقتي وسحب كل أموالي",
        "我的 card 刚刚 unauthorized transaction 三笔，please freeze",
    ],
)
def test_money_in_motion_and_life_are_critical_in_every_language_that_customers_write(text: str) -> None:
    assert tell(text).verdict.level is Level.CRITICAL


@pytest.mark.parametrize(
    "text",
    [
        "我没有被骗，只是想问问",
        "差点被骗，多亏柜员拦下来，谢谢",
        "上个月被盗刷的钱已经退回来了，谢谢",
        "没有被盗，卡找到了",
    ],
)
def test_what_is_denied_or_over_wakes_nobody(text: str) -> None:
    assert tell(text).verdict.level is not Level.CRITICAL


@pytest.mark.parametrize("text", ["是不是被盗刷了？卡里少了两万，我没转过", "不是我要自杀，是我弟弟说要自杀"])
def test_a_question_is_no_denial_and_a_denial_about_oneself_does_not_hide_another_in_danger(text: str) -> None:
    assert tell(text).verdict.level is Level.CRITICAL


def test_a_demand_for_refund_or_apology_does_not_make_a_theft_a_settled_matter() -> None:
    assert tell("我的卡被盗刷，要求赔付，给我一个道歉").verdict.level is Level.CRITICAL


def test_a_threat_to_complain_is_a_care_flag_and_a_step_taken_is_for_the_same_day() -> None:
    threat, step = tell("再不解决我就投诉到银保监"), tell("我已经在12378投诉了，编号2026112")
    assert (threat.verdict.level, step.verdict.level) == (Level.NORMAL, Level.HIGH)
    marked = find(threat, "regulator_threat")
    assert marked is not None
    assert marked.priority is Priority.P2


def test_three_care_flags_together_are_for_the_same_day_and_two_are_not() -> None:
    two = "你们太过分了，父亲过世以后的存单怎么处理"
    assert find_raised(tell(two)) == {"agitated", "heirs"}
    assert tell(two).verdict.level is Level.NORMAL
    assert tell(two + "，我今年七十六岁").verdict.level is Level.HIGH


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("我今年七十六岁，不会用手机", "elderly"),
        ("我 82 岁了，眼睛看不清", "elderly"),
        ("孩子才 11 岁，拿我手机充游戏", "minor"),
        ("我怀孕七个月，排队没有座位", "pregnant"),
        ("我是听障人士，电话客服听不见", "disabled"),
        ("送外卖的，等不起两个钟头", "frontline"),
        ("俺们村的粮食补贴没到账", "rural"),
    ],
)
def test_the_group_of_the_person_concerned_is_told(text: str, group: str) -> None:
    assert group in tell(text).groups


@pytest.mark.parametrize("text", ["养老理财到期了", "贷款合同 30 年", "网络瘫痪，转账失败"])
def test_a_product_or_a_number_makes_nobody_old_or_ill(text: str) -> None:
    assert tell(text).groups == ()
