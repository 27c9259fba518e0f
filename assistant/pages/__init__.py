"""The pages that people use, built with Gradio and mounted on the web application: chat, documents, sources."""
