"""What customers see in a browser: one look, one form, four languages. Pure: strings and bytes in, strings and bytes out.

Server-rendered and complete without JavaScript; the few lines of script only guard against a double tap. No page loads
anything from elsewhere, and none has a time limit. Sizes follow MIIT's 移动互联网应用适老化通用设计规范 (2021-04): text
from 18 px and scalable, contrast from 4.5:1, main targets from 60 px and the others from 44 px.
"""
