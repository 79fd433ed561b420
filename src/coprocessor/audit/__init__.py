"""A network judged from its public record: replayed event by event, without a socket; what fetches it is above."""
