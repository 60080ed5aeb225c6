"""Chats, subtitles, transcripts and mail: a row for each message, with who and when."""

from mien.datasets.chats.chat import Chat, find_chat, is_folder_of_chat, open_chat, warn_of_chat

__all__ = ["Chat", "find_chat", "is_folder_of_chat", "open_chat", "warn_of_chat"]
