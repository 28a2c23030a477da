"""Tells people of alerts: gathers what each is to be told into messages (post.py), says it (rendering.py), and delivers it by e-mail
(mail.py), webhooks (webhook.py, guard.py) and apprise's services (chat.py)."""
