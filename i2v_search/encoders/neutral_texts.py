"""Texts of the kind that people search with, about everything and nothing: their mean vector is what all
texts of a text tower share (`text_mean_of`)."""

from __future__ import annotations

from typing import Final

NEUTRAL_TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        *("a drawing", "a painting of a person", "a picture of an animal", "a girl with long hair"),
        *("a boy running", "two people talking", "a crowd in a street", "a portrait of an old man"),
        *("a cat sleeping", "a dog in the grass", "birds in the sky", "a fish under water"),
        *("a horse", "an insect on a leaf", "a monster with wings", "a robot"),
        *("a tree in autumn", "flowers in a vase", "a mountain landscape", "the sea at sunset"),
        *("a city at night", "an old house", "a room with a window", "a castle on a hill"),
        *("a car on a road", "a ship in a storm", "a train", "an aeroplane"),
        *("food on a plate", "a cup of coffee", "fruit", "a cake with candles"),
        *("a sword", "a book on a table", "a musical instrument", "a chair"),
        *("a logo", "a map", "an icon of a heart", "a pattern of circles"),
        *("something red", "a blue background", "black and white", "bright colours"),
        *("happy", "sad", "a battle", "a quiet morning in the snow"),
    ),
    "ja": (
        *("イラスト", "人物の絵", "動物の絵", "長い髪の女の子"),
        *("走る男の子", "話している二人", "街の人混み", "老人の肖像"),
        *("眠っている猫", "草むらの犬", "空を飛ぶ鳥", "水の中の魚"),
        *("馬", "葉の上の虫", "翼のある怪物", "ロボット"),
        *("秋の木", "花瓶の花", "山の風景", "夕暮れの海"),
        *("夜の街", "古い家", "窓のある部屋", "丘の上の城"),
        *("道路の車", "嵐の中の船", "電車", "飛行機"),
        *("皿の上の料理", "コーヒー", "果物", "ろうそくのケーキ"),
        *("剣", "机の上の本", "楽器", "椅子"),
        *("ロゴ", "地図", "ハートのアイコン", "丸い模様"),
        *("赤いもの", "青い背景", "白黒", "明るい色"),
        *("楽しい", "悲しい", "戦い", "静かな雪の朝"),
    ),
    "zh": (
        *("一幅插画", "人物画", "动物的图片", "长发女孩"),
        *("奔跑的男孩", "两个人在说话", "街上的人群", "老人的肖像"),
        *("睡觉的猫", "草地上的狗", "天空中的鸟", "水里的鱼"),
        *("马", "叶子上的昆虫", "有翅膀的怪物", "机器人"),
        *("秋天的树", "花瓶里的花", "山的风景", "日落时的海"),
        *("夜晚的城市", "老房子", "有窗户的房间", "山上的城堡"),
        *("路上的汽车", "暴风雨中的船", "火车", "飞机"),
        *("盘子里的食物", "一杯咖啡", "水果", "有蜡烛的蛋糕"),
        *("剑", "桌上的书", "乐器", "椅子"),
        *("标志", "地图", "心形图标", "圆形图案"),
        *("红色的东西", "蓝色背景", "黑白", "鲜艳的颜色"),
        *("快乐", "悲伤", "战斗", "安静的雪天早晨"),
    ),
}
"""By language; the same texts in each."""
